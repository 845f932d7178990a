"""Tables that a plugin adds to an assistant's configuration: ``[assistant.support.premessage]`` and the like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.services import Services
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Tested:
    """What the test call of a section came to, for people to read.

    :param request: what was sent, secrets masked. :param answer: what came back, or why nothing did.
    :param milliseconds: how long it took.
    """

    ok: bool
    request: str
    answer: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class AssistantSection:
    """What a plugin registers: a table of settings that every assistant may have.

    :param name: the table's name: ``[assistant.<assistant>.<name>]``.
    :param settings: its model. A field ``enabled`` that is False keeps the details and switches the section off.
    :param hooks: hooks of this plugin (``premessage``, ``postmessage``, ``logged``) that are called only for assistants
        that have this section; a hook that no section names is called for every assistant.
    :param test: makes one test call with the settings: ``test(settings, assistant name, services)``.
    """

    name: str
    title: str
    settings: type[Settings]
    hooks: tuple[str, ...] = ()
    test: Callable[[Any, str, Services], Tested] | None = None
