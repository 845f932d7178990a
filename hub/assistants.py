"""What answers: the class an assistant plugin implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from hub.services import Services
from hub.turns import Turn


class Settings(BaseModel):
    """Base of every plugin's settings: unknown keys are refused, each field has a title and a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """An assistant's answer to one turn.

    :param response: the message response (``output.generic``, ``context`` …) of the message contract.
    :param session_id: the assistant's own session id, kept for the next turn, or None.
    """

    response: dict[str, Any]
    session_id: str | None = None


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
