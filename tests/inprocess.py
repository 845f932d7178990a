"""A hub inside the test process, with a provider and an assistant that do what the test says.

The module is a plugin itself: its channel and its assistant find their doubles by the name in their settings, so that
several hubs ("processes") on one database share them.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from pydantic import Field, SecretStr
from sqlalchemy import select

from hub import (
    Answer,
    Assistant,
    AssistantSection,
    AssistantType,
    ChannelType,
    DeliveryReport,
    InboundText,
    Received,
    Sent,
    Settings,
    TextChannel,
    TextChannelSettings,
    TextMessage,
    Turn,
    WebhookAnswer,
    WebhookRequest,
    clock,
    hookimpl,
)
from hub.apply import apply
from hub.config import Config
from hub.directory import BoundIntegration
from hub.hub import Hub
from hub.lane import due
from hub.plugins import GROUP, Registry
from hub.store import schema
from hub.store.models import Message

NUMBER = "+15550000001"
PERSON = "+15550000002"
SECRET_KEY = Fernet.generate_key().decode()
MINE = EntryPoint("inprocess", "inprocess", GROUP)


class Provider:
    """Accepts every message, unless the test has planned otherwise.

    `plan` holds what the next attempts come to: an error to raise, a ``Sent``, a callable with the message, or None.
    `listing` is what the provider's list says of a message that is looked for; it may be an error or a callable too.
    """

    def __init__(self) -> None:
        self.plan: deque[Any] = deque()
        self.listing: Any = None
        self.attempts: list[TextMessage] = []
        self.accepted: list[TextMessage] = []
        self.searches: list[tuple[UUID, datetime, frozenset[str]]] = []
        self.prepare: Callable[[str], str] = str
        self._lock = threading.Lock()

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.accepted]

    def send(self, message: TextMessage) -> Sent:
        with self._lock:
            self.attempts.append(message)
            step = self.plan.popleft() if self.plan else None
        sent = _played(step, message) or Sent(f"P-{uuid.uuid4().hex}")
        with self._lock:
            self.accepted.append(message)
        return sent

    def find(self, message: TextMessage, since: datetime, known: Collection[str]) -> Sent | None:
        self.searches.append((message.id, since, frozenset(known)))
        return _played(self.listing, message)


def _played(step: Any, message: TextMessage) -> Any:
    result = step(message) if callable(step) else step
    if isinstance(result, BaseException):
        raise result
    return result


class Script:
    """Answers with ``echo <text>``, unless the test has set `reply`; waits while `gate` is closed."""

    def __init__(self) -> None:
        self.reply: Callable[[str, Turn], Any] = lambda text, _turn: f"echo {text}"
        self.gate = threading.Event()
        self.gate.set()
        self.inputs: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.turns: list[Turn] = []
        self.ended: list[str] = []
        self.sessions: list[UUID] = []
        self.in_progress = 0
        self.most_in_progress = 0
        self._lock = threading.Lock()

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        text = request["input"]["text"]
        with self._lock:
            self.inputs.append(text)
            self.requests.append(request)
            self.turns.append(turn)
            self.sessions.append(turn.session.id)
            self.in_progress += 1
            self.most_in_progress = max(self.most_in_progress, self.in_progress)
        try:
            assert self.gate.wait(60)
            said = self.reply(text, turn)
        finally:
            with self._lock:
                self.in_progress -= 1
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, Answer) else answer(*([said] if isinstance(said, str) else said))


def answer(*lines: str, context: dict[str, Any] | None = None) -> Answer:
    """An answer of one text per line."""
    generic = [{"response_type": "text", "text": line} for line in lines]
    return Answer({"output": {"generic": generic}, "context": context or {}})


PROVIDERS: dict[str, Provider] = {}
SCRIPTS: dict[str, Script] = {}


class DoubleSettings(TextChannelSettings):
    double: str = Field(title="Double", description="Name of the provider of the test.")
    service: str = Field("", title="Service", description="What people opt out of instead of the number.")
    token: SecretStr | None = Field(None, title="Token", description="A secret.")
    tokens: tuple[SecretStr, ...] = Field((), title="Tokens", description="Several secrets.")


class DoubleChannel(TextChannel):
    max_length = 100

    @property
    def provider(self) -> Provider:
        return PROVIDERS[self.integration.settings.double]

    def receive(self, request: WebhookRequest) -> Received:
        return Received(WebhookAnswer())

    def send(self, message: TextMessage) -> Sent:
        return self.provider.send(message)

    def find_sent(self, message: TextMessage, since: datetime, known: Collection[str]) -> Sent | None:
        return self.provider.find(message, since, known)

    def opt_out_sender(self, number: str) -> str:
        return self.integration.settings.service or number

    def prepare(self, text: str) -> str:
        return self.provider.prepare(text)


class ScriptSettings(Settings):
    double: str = Field(title="Double", description="Name of the script of the test.")
    api_key: SecretStr | None = Field(None, title="API key", description="A secret.")
    tags: tuple[str, ...] = Field((), title="Tags", description="Some words.")
    stateless: bool = Field(False, title="Stateless", description="The hub keeps the context.")


class DoubleAssistant(Assistant):
    @property
    def stateless(self) -> bool:  # type: ignore[override]
        return bool(self.settings.stateless)

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        return SCRIPTS[self.settings.double].answer(request, turn)

    def end_session(self, session_id: str) -> None:
        SCRIPTS[self.settings.double].ended.append(session_id)


class NoteSettings(Settings):
    word: str = Field(title="Word", description="What to say.")
    secret: SecretStr | None = Field(None, title="Secret", description="A secret.")
    enabled: bool = Field(True, title="Enabled", description="Off keeps the details.")


@hookimpl
def register_sections() -> list[AssistantSection]:
    return [AssistantSection(name="note", title="Note", settings=NoteSettings)]


@hookimpl
def register_channels() -> list[ChannelType]:
    return [ChannelType(name="sms_double", title="Double", channel=DoubleChannel, settings=DoubleSettings)]


@hookimpl
def register_assistants() -> list[AssistantType]:
    return [AssistantType(name="double", title="Double", assistant=DoubleAssistant, settings=ScriptSettings)]


class LocalHub:
    """One process's hub, not started; `of` is another hub whose database and doubles it shares.

    :param settings: further settings of the integration ``sms``.
    """

    def __init__(
        self,
        database_url: str,
        folder: Path,
        *,
        settings: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        plugins: Iterable[EntryPoint] = (),
        of: LocalHub | None = None,
    ) -> None:
        self._arguments = (database_url, folder, environment, tuple(plugins))
        self.name = of.name if of else uuid.uuid4().hex
        self.provider = PROVIDERS.setdefault(self.name, Provider())
        self.script = SCRIPTS.setdefault(self.name, Script())
        config = Config.from_environment(
            {
                "HUB_DATABASE_URL": database_url,
                "HUB_SECRET_KEYS": SECRET_KEY,
                "HUB_MEDIA_URL": f"file://{folder / 'media'}",
                "HUB_ALLOW_PRIVATE_URLS": "1",
                "HUB_SWEEP_SECONDS": "3600",
                **(environment or {}),
            }
        )
        self.hub = Hub.build(config, Registry(found=[MINE, *plugins]))
        self._threads = set(threading.enumerate())
        if of is None:
            schema.upgrade(config.database_url)
            self.configure(**(settings or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.script.gate.set()
        self.hub.stop()
        for thread in set(threading.enumerate()) - self._threads:
            if thread.name.startswith(("engine-", "farewell")):
                thread.join(10)
        self.hub.store.close()

    def other(self) -> LocalHub:
        """A hub in another process: same database, same provider, same assistant."""
        database_url, folder, environment, plugins = self._arguments
        return LocalHub(database_url, folder, environment=environment, plugins=plugins, of=self)

    def configure(
        self,
        integration: str = "sms",
        line: str | None = None,
        sections: dict[str, Any] | None = None,
        stateless: bool = False,
        **settings: Any,
    ) -> None:
        """Apply the assistant (with these sections) and one integration with these settings."""
        # Most tests are about messages one by one.
        own = {"double": self.name, "combine_messages": False, **settings}
        table = {"channel": "sms_double", "assistant": "bot", "settings": own}
        if line is not None:
            table["line"] = line
        document = {
            "assistant": {
                "bot": {
                    "plugin": "double",
                    "settings": {"double": self.name, "stateless": stateless},
                    **(sections or {}),
                }
            },
            "integration": {integration: table},
        }
        apply(document, self.hub.store, self.hub.registry, self.hub.vault)
        self.hub.directory.refresh()

    def bound(self, integration: str = "sms") -> BoundIntegration:
        found = self.hub.directory.named(integration)
        assert found is not None
        return found

    def text(self, body: str = "hello", person: str = PERSON, *, via: str = "sms", **fields: Any) -> list[str]:
        """Accept one text; returns what the inbox called it."""
        return self.accept(inbound(body, person, **fields), via=via)[1]

    def accept(self, *texts: InboundText, via: str = "sms") -> tuple[list[UUID], list[str]]:
        return self.hub.inbox.accept(self.bound(via), Received(WebhookAnswer(), texts=texts), "c0ffee")

    def report(self, *reports: DeliveryReport, via: str = "sms") -> None:
        self.hub.inbox.accept(self.bound(via), Received(WebhookAnswer(), reports=reports), "c0ffee")

    def due(self, limit: int = 1000) -> list[UUID]:
        with self.hub.store.read() as connection:
            return due(connection, limit)

    def drain(self) -> None:
        """Work off everything that is due right now, in this thread."""
        for lane in self.due():
            self.hub.drain.drain(lane)

    def converse(self, *bodies: str, person: str = PERSON) -> None:
        """Texts one after the other, each worked off."""
        for body in bodies:
            self.text(body, person)
            self.drain()

    def rows(self, table: Any, *where: Any) -> list[Any]:
        with self.hub.store.read() as connection:
            return list(connection.execute(select(table.__table__).where(*where).order_by(table.id)).all())

    def sent(self) -> list[Any]:
        """Rows of the outbound messages, in order."""
        return self.rows(Message, Message.direction == "outbound")

    def statuses(self) -> list[str]:
        return [row.status for row in self.sent()]


def inbound(body: str = "hello", person: str = PERSON, **fields: Any) -> InboundText:
    """A text as a channel would return it."""
    values: dict[str, Any] = {
        "provider_id": f"SM{uuid.uuid4().hex}",
        "sender": person,
        "recipient": NUMBER,
        "text": body,
        "raw": {"Body": body},
    }
    return InboundText(**{**values, **fields})


class Time:
    """The hub's clock, which stands still until the test moves it on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = clock.now()
        monkeypatch.setattr(clock, "now", lambda: self.now)
        monkeypatch.setattr(clock, "after", lambda seconds: self.now + timedelta(seconds=seconds))

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
