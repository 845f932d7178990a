"""A turn of the demo assistant without a hub around it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO
from uuid import UUID

import pytest
import structlog
from hub_demo.assistant import Demo

from hub import Attachments, HttpClient, Services, Session, Settings, Turn


class Memory:
    """Keeps the files of a test."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def keep(self, data: bytes) -> str:
        key = uuid.uuid4().hex
        self.kept[key] = data
        return key

    def open(self, key: str) -> BinaryIO:
        return BytesIO(self.kept[key])

    def url(self, attachment_id: UUID) -> str:
        return f"https://hub.example/media/{attachment_id.hex}"


class NoSecrets:
    """The demo keeps none."""

    def get(self, name: str) -> dict[str, Any] | None:
        raise AssertionError(name)

    def put(self, name: str, value: dict[str, Any]) -> None:
        raise AssertionError(name)


@dataclass
class Talk:
    """A session with the demo assistant."""

    services: Services
    store: dict[str, Any] = field(default_factory=dict)
    turns: int = 0
    attachments: Attachments = field(init=False)

    def say(
        self, text: str = "", *files: tuple[bytes, str], kind: str = "text", variables: Any = None, **given: Any
    ) -> dict[str, Any]:
        """The response to one text."""
        self.attachments = Attachments([], Memory(), lambda _, hint: hint, uuid.uuid4)
        for data, media_type in files:
            self.attachments.add(data, media_type)
        session = Session(uuid.uuid4(), None, {}, self.turns, self.store)
        turn = Turn(
            id=uuid.uuid4(), assistant="demo", integration="demo-sms", channel="sms_twilio", kind=kind,
            person="+15550000002", line="+15550000001", number="+15550000001", correlation="c-1", session=session,
            attachments=self.attachments, services=self.services,
        )  # fmt: skip
        user_defined = {"smsMedia": [], **(variables or {})}
        context = {"global": {"system": {"user_id": "u"}}, "skills": {"main skill": {"user_defined": user_defined}}}
        request = {"input": {"message_type": "text", "text": text, **given}, "context": context, "user_id": "u"}
        answer = Demo(Settings(), self.services).answer(request, turn)
        self.turns += 1
        return answer.response

    def generic(self, *given: Any, **more: Any) -> list[dict[str, Any]]:
        """The elements of the response to one text."""
        elements: list[dict[str, Any]] = self.say(*given, **more)["output"]["generic"]
        return elements

    def texts(self, *given: Any, **more: Any) -> list[str]:
        """What the text elements of the response to one text say."""
        elements = self.generic(*given, **more)
        return [element["text"] for element in elements if element["response_type"] == "text"]


@pytest.fixture
def talks() -> Callable[[], Talk]:
    """Makes new sessions."""
    services = Services(HttpClient(), structlog.get_logger(), NoSecrets())
    return lambda: Talk(services)


@pytest.fixture
def talk(talks: Callable[[], Talk]) -> Talk:
    """One session."""
    return talks()
