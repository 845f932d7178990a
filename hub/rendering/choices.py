"""Lists to choose from: numbered entries, and what a person's answer to them means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, TypedDict

from hub.rendering.markup import plain
from hub.rendering.segments import plain_punctuation

_NUMBER = re.compile(r"#?\s?(\d{1,6})[.)]?")


class Choice(TypedDict):
    """One entry of a list; its number is its position among all choices of an answer, from 1. Plain JSON.

    ``label`` is what the assistant called it, ``input`` what becomes the input of the next request.
    """

    label: str
    input: dict[str, Any]


def choice(label: str, entry: Any) -> Choice:
    """The choice that `entry` of an option or suggestion list offers.

    Its input is ``value.input`` as it came, with ``intents`` and ``entities`` of ``value`` if it has none of its own;
    where there is no such object it is the label as a text.
    """
    value = entry.get("value") if isinstance(entry, dict) else None
    found = value.get("input") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(found, dict):
        return {"label": label, "input": {"text": label}}
    older = {name: value[name] for name in ("intents", "entities") if name in value and name not in found}
    return {"label": label, "input": {**found, **older}}


def choose(choices: Sequence[Choice], text: str) -> dict[str, Any] | None:
    """The input of the choice that `text` names; None if it names none.

    A choice is named by its number (``2``, ``2.``, ``2)``, ``#2``), else by its label, else by the text of its input.
    Case, white space and typographic characters do not matter.
    """
    answer = text.strip()
    number = _NUMBER.fullmatch(answer)
    if number and 1 <= int(number[1]) <= len(choices):
        return choices[int(number[1]) - 1]["input"]
    wanted = _key(answer)
    if not wanted:
        return None
    for one in choices:
        if wanted in (_key(plain(one["label"])), _key(one["label"])):
            return one["input"]
    for one in choices:
        if isinstance(said := one["input"].get("text"), str) and _key(said) == wanted:
            return one["input"]
    return None


def _key(text: str) -> str:
    """`text` as it is compared."""
    return unicodedata.normalize("NFC", " ".join(plain_punctuation(text).split()).casefold())
