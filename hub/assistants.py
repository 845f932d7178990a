"""What answers: the class an assistant plugin implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from hub.services import Services
from hub.settings import Settings
from hub.turns import Turn


@dataclass(frozen=True, slots=True)
class Answer:
    """An assistant's answer to one turn, or a ``premessage`` hook's answer in the assistant's place.

    :param response: the message response (``output.generic``, ``context`` …) of the message contract. Without a
        ``context`` the stored one stays.
    :param session_id: the assistant's own session id, kept for the next turn, or None. A hook's is not looked at.
    """

    response: dict[str, Any]
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a ``premessage`` hook returns to refuse a turn: the assistant is not asked, the person gets `message`.

    :param message: one text; an empty one refuses silently.
    """

    message: str


class Assistant(ABC):
    """One configured assistant. The host makes one object per process and calls it from many threads.

    :param settings: an instance of the plugin's settings model.
    :param services: the HTTP client and the logger of the hub.
    """

    stateless: bool = False
    """True when the request must carry the whole context of the last answer."""

    def __init__(self, settings: Any, services: Services) -> None:
        self.settings = settings
        self.services = services

    @abstractmethod
    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        """Answer one turn; return within the assistant's own time-out.

        :param request: message request of the message contract: ``input``, ``context``, ``user_id``.
        :raises AssistantFailed: no usable answer; the host asks once more when it is ``retryable``, then sends the
            integration's failure message.
        """

    def end_session(self, session_id: str) -> None:
        """A session is over (``terminateSession``): drop it on the assistant's side too, if it has any.

        :raises AssistantFailed: it could not be; that is logged, and the assistant's own time-out will end it.
        """
        return

    def check(self) -> str:
        """One sentence for ``hub doctor`` on whether the assistant can be reached.

        :raises AssistantFailed: it cannot.
        """
        return "not checked: this assistant has no check"


@dataclass(frozen=True, slots=True)
class AssistantType:
    """What a plugin registers: the name used in configuration, a title for people, the class and its settings."""

    name: str
    title: str
    assistant: type[Assistant]
    settings: type[Settings]
