"""What is wrong with a message, said without a word of the message itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.errors import HubError

MOST_NAMED = 3
"""Problems that an error names; it says how many more there are."""

_SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be a text",
    "string_sub_type": "must be a text",
    "string_unicode": "must be a text",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "recursion_loop": "is nested too deep",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    :param path: where, for example ``output.generic.2.options.0.label``; empty for the message as a whole.
    :param reason: what, for example ``must be a text``. Never holds a value of the message: it may be private.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class ContractError(HubError):
    """A message is not what the message contract says.

    :param problems: what is wrong, never empty; the sentence names the first three.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        named = "; ".join(map(str, problems[:MOST_NAMED]))
        more = len(problems) - MOST_NAMED
        super().__init__(f"{named}; and {more} more" if more > 0 else named)
        self.problems = list(problems)


def problem(error: Mapping[str, Any]) -> Problem:
    """The problem that one of pydantic's error descriptions stands for."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "contract":
        reason = error["msg"]
    elif kind == "literal_error":
        reason = f"must be {context['expected']}"
    elif kind == "too_long":
        reason = f"must have at most {context['max_length']} entries"
    else:
        reason = _SENTENCES.get(kind, "is not valid")
    return Problem(".".join(str(step) for step in error["loc"] if not _is_tag(step)), reason)


def _is_tag(step: int | str) -> bool:
    return isinstance(step, str) and step.startswith("<") and step.endswith(">")
