"""What the hub remembers with a session between its turns; kept in ``session.memory``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hub.rendering.choices import Choice


@dataclass(frozen=True, slots=True)
class Memory:
    """One session's memory.

    :param choices: the numbered entries of the last answer, for a person who answers with a number.
    :param option_prefix: `prefixText` of ``smsActSetOptionsConfig``, or None for the default.
    :param suggestion_prefix: the same of ``smsActSetDisambiguationConfig``.
    :param session_timeout: seconds, when ``setSessionTimeoutCount`` has changed the integration's.
    :param ran: by place in the context, the command that stood there in the last answer; the context comes back with
        every answer, and a command that is still there is not run again.
    :param heeds: the assistant was seen to drop a command that was set back to null, so one that is back is a new one.
    :param context: what hooks have changed in the context of the last answer, for an assistant that keeps its own.
    :param forced: turns in a row that the assistant asked for itself.
    :param stores: the values plugins keep with the session, by plugin.
    """

    choices: list[Choice] = field(default_factory=list)
    option_prefix: str | None = None
    suggestion_prefix: str | None = None
    session_timeout: int | None = None
    ran: dict[str, str] = field(default_factory=dict)
    heeds: bool = False
    context: dict[str, Any] = field(default_factory=dict)
    forced: int = 0
    stores: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Memory:
        """From what the column holds; what this version does not know is left out."""
        return cls(**{name: row[name] for name in cls.__slots__ if name in row}) if row else cls()

    def row(self) -> dict[str, Any]:
        """For the column: only what is not as it is at the beginning."""
        return {name: value for name, value in asdict(self).items() if value or value == ""}
