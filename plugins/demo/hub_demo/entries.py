"""What the menu is made of: entries, and the replies they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub import Turn

Element = dict[str, Any]
"""One element of ``output.generic`` (IBM watsonx Assistant v2 message contract, response types)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one entry answers.

    :param generic: the elements of the answer; None for the form of older dialogs, which have none.
    :param older: the texts of that form (``output.text``).
    :param variables: context variables to set, in ``context.skills["main skill"].user_defined``.
    :param system: values to set in ``context.global.system``.
    """

    generic: Sequence[Element] | None
    older: Sequence[str] = ()
    variables: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing the demo can show.

    :param word: what a person texts for it. :param also: other words for it.
    :param title: its line in the menu; an entry without one is not in the menu.
    :param show: makes the reply to one turn.
    """

    word: str
    title: str
    show: Callable[[Turn], Reply]
    also: tuple[str, ...] = ()


def text(said: str) -> Element:
    """An element of the response type text."""
    return {"response_type": "text", "text": said}


def texts(*said: str) -> Reply:
    """A reply of texts."""
    return Reply([text(each) for each in said])


def always(*elements: Element) -> Callable[[Turn], Reply]:
    """For entries whose reply is the same in every turn."""
    return lambda _: Reply(elements)


def command(name: str, **parameters: Any) -> Element:
    """An element that carries a command to the SMS channel."""
    return {
        "response_type": "user_defined",
        "user_defined": {"smsAction": {"command": name, "parameters": parameters}},
    }


def options(title: str, labels_and_inputs: Sequence[tuple[str, str]]) -> Element:
    """An option list.

    :param labels_and_inputs: what each option is called, and the input text that choosing it sends.
    """
    return {
        "response_type": "option",
        "title": title,
        "options": [
            {"label": label, "value": {"input": {"message_type": "text", "text": said}}}
            for label, said in labels_and_inputs
        ],
    }
