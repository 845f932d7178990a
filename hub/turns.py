"""A turn and its session as hooks and assistants see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.attachments import Attachments


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation of one person with one assistant.

    :param assistant_session_id: what the assistant called it when it answered last, or None.
    :param context: the context of the assistant's last answer (message contract, ``context``); do not change it.
    :param turn_count: turns answered before this one.
    """

    id: UUID
    assistant_session_id: str | None
    context: Mapping[str, Any]
    turn_count: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One input of a person and the way it came.

    :param person: E.164 number (or short code) of the person.
    :param line: the line: by default the number that was texted.
    :param number: our number the input came to; answers leave from it.
    :param correlation: the id that every log line from webhook to delivery carries.
    """

    id: UUID
    assistant: str
    integration: str
    channel: str
    person: str
    line: str
    number: str
    correlation: str
    session: Session
    attachments: Attachments
