"""What must not be logged: private variables of a context, and inputs and outputs an assistant has masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PRIVATE = ("private", "$private")


def without_private(context: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a context without its private parts.

    Those are ``private`` and ``$private`` of the context itself, of each integration and of each skill's
    ``user_defined``, and the private variables of actions (message contract, section context; IBM: log webhook).
    """
    result: dict[str, Any] = _cut(context)
    if isinstance(context.get("integrations"), Mapping):
        result["integrations"] = {name: _cut(value) for name, value in context["integrations"].items()}
    if isinstance(context.get("skills"), Mapping):
        result["skills"] = {name: _skill(value) for name, value in context["skills"].items()}
    return result


def _skill(skill: Any) -> Any:
    if not isinstance(skill, Mapping):
        return skill
    result = {name: value for name, value in skill.items() if not name.startswith("private_")}
    if "user_defined" in result:
        result["user_defined"] = _cut(result["user_defined"])
    return result


def _cut(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: below for name, below in value.items() if name not in _PRIVATE}
