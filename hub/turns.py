"""A turn and its session as hooks and assistants see them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.attachments import Attachments
from hub.services import Services
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation of one person with one assistant.

    :param assistant_session_id: what the assistant called it when it answered last, or None.
    :param context: the context of the assistant's last answer (message contract, ``context``); do not change it.
    :param turn_count: turns answered before this one.
    :param store: plain JSON values of the plugin's own that live as long as the session, 100,000 bytes at most.
    """

    id: UUID
    assistant_session_id: str | None
    context: Mapping[str, Any]
    turn_count: int
    store: MutableMapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One input of a person and the way it came.

    :param assistant: its name in the configuration.
    :param integration: the integration's name. :param channel: the channel's name, for example ``sms_twilio``.
    :param kind: ``text``; ``timeout`` for a session that timed out; ``no_input`` and ``skip`` for a turn the assistant
        asked for itself (``smsActForceNoInputTurn``, ``skip_user_input``).
    :param person: E.164 number (or short code) of the person.
    :param line: the line: by default the number that was texted.
    :param number: our number the input came to; answers leave from it.
    :param correlation: the id that every log line from webhook to delivery carries.
    :param attachments: the files of this turn.
    :param services: HTTP client, logger and encrypted values for the plugin that is called.
    :param store: plain JSON values of the plugin's own that live as long as this turn: what ``premessage`` puts in,
        ``postmessage`` finds, also after a restart.
    :param sections: the plugin's tables in the assistant's configuration by name, parsed.
    :param timeout: seconds the assistant may take, when it asked for that itself
        (``smsConversationResponseTimeout``); else None.
    :param answered_by: the plugin whose ``premessage`` answered in the assistant's place, or None.
    """

    id: UUID
    assistant: str
    integration: str
    channel: str
    kind: str
    person: str
    line: str
    number: str
    correlation: str
    session: Session
    attachments: Attachments
    services: Services
    store: MutableMapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Settings] = field(default_factory=dict)
    timeout: float | None = None
    answered_by: str | None = None


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One thing to be logged: what the ``logged`` hook gets.

    :param id: the same at every attempt.
    :param name: ``message_logged`` for a turn that was answered.
    :param assistant: the assistant's name.
    :param payload: request and response of the turn with private variables removed (IBM: log webhook).
    :param attempt: 1 for the first.
    :param sections: as in :class:`Turn`.
    """

    id: UUID
    name: str
    assistant: str
    payload: Mapping[str, Any]
    created_at: datetime
    attempt: int
    services: Services
    sections: Mapping[str, Settings] = field(default_factory=dict)
