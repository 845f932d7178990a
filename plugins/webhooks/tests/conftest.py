"""A webhook and a token service on one port that answer as a test says, and turns to offer to the plugin."""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import hub_webhooks
import pytest
import structlog
from hub_webhooks.settings import LogSettings, PostmessageSettings, PremessageSettings
from structlog.testing import LogCapture

from hub import Attachments, HttpClient, LogEvent, Services, Session, Turn

PERSON = "+15550000002"
NUMBER = "+15550000001"


@dataclass(frozen=True)
class Got:
    """One request the stand-in got; `headers` as they came, names in lower case."""

    path: str
    headers: list[tuple[str, str]]
    body: Any

    def header(self, name: str) -> str | None:
        found = [value for each, value in self.headers if each == name.lower()]
        assert len(found) < 2, f"{name} came twice"
        return found[0] if found else None


class Handler(BaseHTTPRequestHandler):
    """Notes a request and lets the next planned answer, or the standing one, reply."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Double

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        body = dict(parse_qsl(raw.decode())) if form else json.loads(raw)
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        self.server.calls.append(Got(urlsplit(self.path).path, headers, body))
        if self.path == "/token":
            self.reply(*self.server.token(body))
        elif self.server.planned:
            self.server.planned.popleft()(self)
        else:
            self.server.standing(self)

    def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


Answering = Callable[[Handler], None]


def reply(status: int, body: Any, **headers: str) -> Answering:
    return lambda handler: handler.reply(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


def payload(value: Any) -> Answering:
    return reply(200, {"payload": value})


def echo(handler: Handler) -> None:
    handler.reply(200, handler.server.calls[-1].body)


def hang(handler: Handler) -> None:
    handler.server.released.wait(20)


def drip(handler: Handler) -> None:
    """One byte every now and then, which no time-out of a single read would end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not handler.server.released.wait(0.1):
        handler.wfile.write(b" ")


def hang_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(2)


class Double(ThreadingHTTPServer):
    """The stand-in. ``planned`` are the next answers, ``standing`` is the one after those."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server_address[1]}"
        self.calls: list[Got] = []
        self.planned: deque[Answering] = deque()
        self.standing: Answering = payload({})
        self.released = threading.Event()
        self.token: Callable[[dict[str, str]], tuple[int, Any]] = lambda form: (500, {})

    def handle_error(self, *_: Any) -> None:
        """Quiet: clients that give up are part of the tests."""

    @property
    def hooks(self) -> list[Got]:
        return [call for call in self.calls if call.path != "/token"]

    @property
    def tokens(self) -> list[Got]:
        return [call for call in self.calls if call.path == "/token"]


class NoKeeper:
    """Keeps nothing: these turns have no attachments of their own."""


class Values(dict[str, dict[str, Any]]):
    """A plugin's encrypted values, unencrypted."""

    def put(self, name: str, value: dict[str, Any]) -> None:
        self[name] = json.loads(json.dumps(value))


@dataclass
class Bench:
    """The stand-in, what the hub would hand out, and the hooks as the hub calls them."""

    reply = staticmethod(reply)
    payload = staticmethod(payload)
    echo = staticmethod(echo)
    hang = staticmethod(hang)
    drip = staticmethod(drip)
    hang_up = staticmethod(hang_up)

    double: Double
    http: HttpClient = field(default_factory=lambda: HttpClient(allow_private=True))
    captured: LogCapture = field(default_factory=LogCapture)
    values: Values = field(default_factory=Values)

    def answers(self, standing: Answering) -> Self:
        """From now on the stand-in answers like this."""
        self.double.standing = standing
        return self

    @property
    def services(self) -> Services:
        logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.captured])
        return Services(self.http, logger, self.values)

    @property
    def url(self) -> str:
        return f"{self.double.root}/hook"

    def turn(self, assistant: str = "support", **changes: Any) -> Turn:
        session = Session(uuid.uuid4(), changes.pop("session_id", "s-1"), changes.pop("context", {}), 1)
        given: dict[str, Any] = {
            "id": uuid.uuid4(), "assistant": assistant, "integration": "support-sms", "channel": "sms", "kind": "text",
            "person": PERSON, "line": NUMBER, "number": NUMBER, "correlation": "c-1", "session": session,
            "attachments": Attachments([], NoKeeper(), lambda data, hint: hint, uuid.uuid4),  # type: ignore[arg-type]
            "services": self.services,
        }  # fmt: skip
        return Turn(**(given | changes))

    def premessage(self, request: dict[str, Any], turn: dict[str, Any] | None = None, **settings: Any) -> Any:
        section = PremessageSettings.model_validate({"url": self.url, **settings})
        return hub_webhooks.premessage(self.turn(**(turn or {}), sections={"premessage": section}), request)

    def postmessage(self, response: dict[str, Any], turn: dict[str, Any] | None = None, **settings: Any) -> Any:
        section = PostmessageSettings.model_validate({"url": self.url, **settings})
        return hub_webhooks.postmessage(self.turn(**(turn or {}), sections={"postmessage": section}), response)

    def logged(self, name: str = "message_logged", payload: Any = None, **settings: Any) -> None:
        section = LogSettings.model_validate({"url": self.url, **settings})
        body = {"log_id": "l-1"} if payload is None else payload
        event = LogEvent(
            uuid.uuid4(), name, "support", body, datetime.now(UTC), 1, self.services, {"log": section}
        )  # fmt: skip
        hub_webhooks.logged(event)

    def failures(self) -> list[dict[str, Any]]:
        return [entry for entry in self.captured.entries if entry["event"] == "assistant_webhook_failed"]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A running stand-in; private addresses are allowed, and no proxy of the environment is in the way."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HUB_ALLOW_PRIVATE_URLS", "1")
    double = Double()
    thread = threading.Thread(target=double.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield Bench(double)
    double.released.set()
    double.shutdown()
    double.server_close()
    thread.join()


@pytest.fixture
def request_body() -> dict[str, Any]:
    """A message request as the SMS channels make it."""
    return {
        "input": {
            "message_type": "text",
            "text": "hi",
            "source": {"type": "user", "id": "u-1"},
            "options": {"suggestion_only": False, "return_context": True},
            "attachments": [{"url": "https://hub.example/media/1", "media_type": "image/png"}],
        },
        "context": {
            "global": {"system": {"user_id": "u-1"}},
            "skills": {"main skill": {"user_defined": {"smsUserPhoneNumber": PERSON, "tier": "gold"}}},
            "integrations": {
                "channel": {"name": "SMS", "private": {"user": {"id": PERSON, "phone_number": PERSON}}},
                "text_messaging": {"assistant_phone_number": NUMBER, "private": {"user_phone_number": PERSON}},
            },
        },
        "user_id": "u-1",
    }


@pytest.fixture
def response_body() -> dict[str, Any]:
    """A message response with context."""
    return {
        "output": {"generic": [{"response_type": "text", "text": "Hello."}], "intents": []},
        "context": {
            "global": {"session_id": "s-1", "system": {"turn_count": 2, "user_id": "u-1"}},
            "skills": {"main skill": {"user_defined": {"tier": "gold", "nothing": None}, "system": {"state": "x"}}},
        },
        "user_id": "u-1",
    }
