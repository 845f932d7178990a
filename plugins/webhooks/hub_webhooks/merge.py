"""Laying what a webhook returned over what it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_LEVELS = 100


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` laid over `base`; neither is changed.

    Objects are merged at every depth, lists and other values replace, null removes. A null that stands in `base`
    already stays, so that returning everything unchanged changes nothing.
    """
    result = dict(base)
    for name, value in changes.items():
        if value is None:
            if result.get(name) is not None:
                del result[name]
        elif isinstance(value, Mapping):
            below = result.get(name)
            result[name] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def too_deep(value: Any, levels: int = MOST_LEVELS) -> bool:
    """Whether objects and lists are nested deeper than `levels`: the hub keeps and copies what is returned."""
    if isinstance(value, dict):
        return not levels or any(too_deep(below, levels - 1) for below in value.values())
    if isinstance(value, list):
        return not levels or any(too_deep(below, levels - 1) for below in value)
    return False
