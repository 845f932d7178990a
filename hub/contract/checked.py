"""What the host itself needs of an answer: plain JSON, with an output that can be walked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.errors import AssistantFailed

MOST_LEVELS = 100
MOST_VALUES = 1_000_000
_LARGEST = 10**4000  # Python refuses to write or read a number of more than 4,300 digits


def checked(response: Any) -> dict[str, Any]:
    """`response` if it has the form of a message response.

    :raises AssistantFailed: it is not an object with an ``output`` object whose ``generic`` is a list of objects.
    """
    output = response.get("output") if isinstance(response, dict) else None
    if not isinstance(output, dict):
        raise AssistantFailed("invalid_answer", "the answer has no output object", retryable=False)
    generic = output.get("generic", [])
    if not isinstance(generic, list) or not all(isinstance(element, dict) for element in generic):
        raise AssistantFailed("invalid_answer", "output.generic is not a list of objects", retryable=False)
    context = response.get("context", {})
    if not isinstance(context, dict):
        raise AssistantFailed("invalid_answer", "context is not an object", retryable=False)
    if not storable(response):
        raise AssistantFailed("invalid_answer", "the answer is not plain JSON or is nested too deep", retryable=False)
    return dict(response)


def storable(value: Any, levels: int = MOST_LEVELS) -> bool:
    """Whether `value` is plain JSON that can be copied, written and read again.

    :param levels: how deep lists and objects may be nested. More than a million values on one level are not taken,
        so that a structure that holds itself comes to an end.
    """
    # Level by level, and no call for a value: this is asked several times in every turn.
    here: list[Any] = [value]
    try:
        for _ in range(levels):
            below: list[Any] = []
            for item in here:
                kind = type(item)
                if kind is dict:
                    "".join(item)  # the quickest way to ask whether all keys are texts
                    for inner in item.values():
                        if type(inner) is not str:
                            below.append(inner)  # noqa: PERF401 - a comprehension is slower here
                elif kind is list:
                    below += item
                elif item is not None and kind is not bool and not _scalar(item):
                    below += _odd(item)
                if len(below) > MOST_VALUES:
                    return False
            if not below:
                return True
            here = below
    except TypeError:
        return False
    return all(item is None or _scalar(item) for item in here)


def _scalar(item: Any) -> bool:
    if isinstance(item, float | int):
        return -_LARGEST < item < _LARGEST  # neither infinity nor NaN is
    return isinstance(item, str)


def _odd(item: Any) -> Iterable[Any]:
    """What is in a tuple, or in an object or list of a class of its own.

    :raises TypeError: `item` is none of them, or a key is no text.
    """
    if isinstance(item, dict):
        "".join(item)
        return item.values()
    if isinstance(item, list | tuple):
        return item
    raise TypeError
