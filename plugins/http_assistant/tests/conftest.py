"""A stand-in for an assistant behind a URL, with a token service beside it, and what tests need to ask it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import structlog
from hub_http_assistant.assistant import HttpAssistant
from hub_http_assistant.settings import HttpAssistantSettings

from hub import Attachments, HttpClient, Services, Session, Turn, require_request


@dataclass(frozen=True)
class Call:
    """One request the stand-in got; names of headers in lower case."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: Any

    def header(self, name: str) -> str | None:
        found = [value for each, value in self.headers if each == name.lower()]
        assert len(found) < 2, f"{name} came twice"
        return found[0] if found else None


class Handler(BaseHTTPRequestHandler):
    """Notes a request, and lets a planned fault or the stand-in answer it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Double

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        body = dict(parse_qsl(raw.decode())) if form else json.loads(raw or b"null")
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        call = Call(self.command, urlsplit(self.path).path, headers, body)
        self.server.calls.append(call)
        if call.path == "/token":
            self.reply(200, {"access_token": self.server.new_token(), "token_type": "Bearer", "expires_in": 3600})
        elif self.server.faults:
            self.server.faults.popleft()(self)
        else:
            self.reply(*self.server.answer(call))

    def do_OPTIONS(self) -> None:
        self.do_POST()

    def reply(self, status: int, body: Any, content_type: str = "application/json", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": content_type, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


Fault = Callable[[Handler], None]


def reply(*answer: Any, **headers: str) -> Fault:
    return lambda handler: handler.reply(*answer, **headers)


def hang(handler: Handler) -> None:
    handler.close_connection = True
    handler.server.released.wait(20)


def drip(handler: Handler) -> None:
    """One byte every now and then, which no time-out of a single read would end."""
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    while not handler.server.released.wait(0.1):
        handler.wfile.write(b" ")


def reset(handler: Handler) -> None:
    """Close with a TCP reset instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


class Double(ThreadingHTTPServer):
    """The stand-in: counts turns, in its own sessions or in the context it is sent. ``faults`` answer instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server_address[1]}"
        self.url = f"{self.root}/converse"
        self.authorized: Callable[[Call], bool] = lambda call: True
        self.calls: list[Call] = []
        self.faults: deque[Fault] = deque()
        self.sessions: dict[str, dict[str, Any]] = {}
        self.tokens: list[str] = []
        self.keeps_context = False
        self.names_session = "context"
        self.released = threading.Event()

    def handle_error(self, *_: Any) -> None:
        """Quiet: clients that give up are part of the tests."""

    @property
    def messages(self) -> list[Call]:
        return [call for call in self.calls if call.path != "/token"]

    def new_token(self) -> str:
        self.tokens.append(f"token-{len(self.tokens) + 1}-0123456789")
        return self.tokens[-1]

    def answer(self, call: Call) -> tuple[int, Any]:
        if not self.authorized(call):
            return 401, {"error": "Unauthorized"}
        if call.path != "/converse":
            return 404, {"error": "nothing here"}
        if call.method == "OPTIONS":
            return 204, b""
        if call.header("Content-Type") != "application/json" or call.header("Accept") != "application/json":
            return 415, {"error": "JSON only"}
        require_request(call.body)
        context = call.body["context"]
        session_id = context.get("global", {}).get("session_id") or str(uuid.uuid4())
        if self.keeps_context:
            context = {**self.sessions.get(session_id, {}), **context}
        turns = context.get("turns", 0) + 1
        part = {**context.get("global", {}), **({"session_id": session_id} if self.names_session == "context" else {})}
        context = {**context, "turns": turns, "global": part}
        self.sessions[session_id] = context
        text = f"turn {turns}: {call.body['input'].get('text')}"
        response: dict[str, Any] = {
            "output": {"generic": [{"response_type": "text", "text": text}]},
            "context": {"turns": turns} if self.keeps_context and self.names_session != "context" else context,
            "user_id": call.body.get("user_id"),
        }
        if self.names_session == "response":
            response["session_id"] = session_id
        return 200, response


class NoKeeper:
    """Keeps nothing: these turns have no attachments."""


class Values(dict[str, dict[str, Any]]):
    """A plugin's encrypted values, unencrypted."""

    def put(self, name: str, value: dict[str, Any]) -> None:
        self[name] = json.loads(json.dumps(value))


@dataclass
class Bench:
    """The stand-in and an assistant that asks it."""

    double: Double
    http: HttpClient = field(default_factory=lambda: HttpClient(allow_private=True))
    secrets: Values = field(default_factory=Values)

    def settings(self, **changes: Any) -> HttpAssistantSettings:
        return HttpAssistantSettings.model_validate({"url": self.double.url, "timeout": 5} | changes)

    @property
    def services(self) -> Services:
        return Services(self.http, structlog.get_logger(), self.secrets)  # type: ignore[arg-type]

    def assistant(self, **changes: Any) -> HttpAssistant:
        return HttpAssistant(self.settings(**changes), self.services)

    def turn(
        self, session_id: str | None = None, context: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Turn:
        return Turn(
            id=uuid.uuid4(), assistant="support", integration="support-sms", channel="sms", kind="text",
            person="+15550000002", line="+15550000001", number="+15550000001", correlation="c-1",
            session=Session(uuid.uuid4(), session_id, context or {}, 0),
            attachments=Attachments([], NoKeeper(), lambda data, hint: hint, uuid.uuid4),  # type: ignore[arg-type]
            services=self.services, timeout=timeout,
        )  # fmt: skip

    @staticmethod
    def request(text: str = "hello", **context: Any) -> dict[str, Any]:
        return {"input": {"message_type": "text", "text": text}, "context": context, "user_id": "u"}


@pytest.fixture
def faults() -> SimpleNamespace:
    """What a stand-in can do instead of answering."""
    return SimpleNamespace(reply=reply, hang=hang, drip=drip, reset=reset, hang_up=hang_up)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A running stand-in; no proxy of the environment stands between it and the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    double = Double()
    thread = threading.Thread(target=double.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield Bench(double)
    double.released.set()
    double.shutdown()
    double.server_close()
    thread.join()
