"""A stand-in for the assistant service and for IAM on one port, as the contract describes them, and what tests need
to ask it through the plugin."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
import structlog
from hub_watson.assistant import WatsonAssistant
from hub_watson.settings import WatsonSettings

from hub import Attachments, HttpClient, Services, Session, Turn

API_KEY = "key-for-tests-0123456789"
INSTANCE = "/instances/i-1"
ROUTE = re.compile(
    rf"{INSTANCE}/v2/assistants/(?P<assistant>[^/]+)(?:/environments/(?P<environment>[^/]+))?"
    r"(?:/sessions(?:/(?P<session>[^/]+))?)?(?P<message>/message)?$"
)


@dataclass(frozen=True)
class Call:
    """One request the stand-in got."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets a planned fault or the stand-in answer it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Double

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        body = dict(parse_qsl(raw.decode())) if form else json.loads(raw or b"null")
        call = Call(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body)
        self.server.calls.append(call)
        faults = self.server.faults.get(kind(call))
        if faults:
            faults.popleft()(self)
        else:
            self.reply(*self.server.answer(call))

    def do_DELETE(self) -> None:
        self.do_POST()

    def reply(self, status: int, body: Any, content_type: str = "application/json", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Global-Transaction-Id", "tx-42")
        self.send_header("Set-Cookie", "affinity=one-person")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def kind(call: Call) -> str:
    """What a call is for: token, create, delete or message."""
    if call.path == "/identity/token":
        return "token"
    if call.path.endswith("/message"):
        return "message"
    return "delete" if call.method == "DELETE" else "create"


class Double(ThreadingHTTPServer):
    """The stand-in. ``auth`` says which sign-in it wants; ``faults[kind]`` are answers to give instead, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server_address[1]}"
        self.authorization: Callable[[str | None], bool] = lambda value: value in self.valid_tokens
        self.calls: list[Call] = []
        self.faults: dict[str, deque[Callable[[Handler], None]]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.valid_tokens: set[str] = set()
        self.token_life = (0, 3600)  # issued and ending, in seconds from now
        self.opaque_tokens = False

    def handle_error(self, *_: Any) -> None:
        """Quiet: clients that give up are part of the tests."""

    def count(self, wanted: str) -> int:
        return sum(kind(call) == wanted for call in self.calls)

    def fail(self, wanted: str, fault: Callable[[Handler], None], times: int = 1) -> None:
        self.faults.setdefault(wanted, deque()).extend([fault] * times)

    def last(self, wanted: str) -> Call:
        return [call for call in self.calls if kind(call) == wanted][-1]

    def answer(self, call: Call) -> tuple[int, Any]:
        if kind(call) == "token":
            return self.token(call)
        if not self.authorization(call.headers.get("Authorization")):
            return 401, {"error": "Unauthorized"}
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", call.query.get("version", "")):
            return 400, {"errors": [{"message": "version is required"}]}
        route = ROUTE.fullmatch(call.path)
        if not route or (route["assistant"], route["environment"]) not in {("a-1", None), ("a-1", "e-1")}:
            return 404, {"error": "Resource not found"}
        if call.method == "POST" and not route["message"]:
            session = str(uuid.uuid4())
            self.sessions[session] = {}
            return 201, {"session_id": session}
        if route["session"] and route["session"] not in self.sessions:
            return 404, {"error": "Invalid Session", "code": 404}
        if call.method == "DELETE":
            del self.sessions[route["session"]]
            return 200, {}
        return self.message(call, route["session"])

    def token(self, call: Call) -> tuple[int, Any]:
        wanted = {
            "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
            "apikey": API_KEY,
            "response_type": "cloud_iam",
        }
        if call.body != wanted or call.headers.get("Accept") != "application/json":
            return 400, {"errorCode": "BXNIM0415E", "errorMessage": f"Provided API key {call.body} could not be found."}
        now = int(time.time())
        claims = {"iat": now + self.token_life[0], "exp": now + self.token_life[1], "jti": str(uuid.uuid4())}
        token = uuid.uuid4().hex if self.opaque_tokens else jwt.encode(claims, "s" * 32)
        self.valid_tokens.add(f"Bearer {token}")
        return 200, {"access_token": token, "refresh_token": "not supported", "expires_in": self.token_life[1]}

    def message(self, call: Call, session: str | None) -> tuple[int, Any]:
        given = call.body.get("input", {})
        if any(character in given.get("text", "") for character in "\r\n\t"):
            return 400, {"error": "input.text contains invalid characters"}
        context = call.body.get("context", {})
        if session:
            context = {**self.sessions[session], **context}
        part = context.get("global", {})
        system = {**part.get("system", {})}
        system |= {"turn_count": system.get("turn_count", 0) + 1, "state": f"after {given.get('text', '')}"}
        identifier = session or part.get("session_id") or str(uuid.uuid4())
        context = {**context, "global": {"session_id": identifier, "system": system}}
        if session:
            self.sessions[session] = context
        text = f"you said {given.get('text', '')}"
        answer: dict[str, Any] = {"output": {"generic": [{"response_type": "text", "text": text}]}, "user_id": "u"}
        if not session or given.get("options", {}).get("return_context"):
            answer["context"] = context
        return 200, answer


class NoKeeper:
    """Keeps nothing: these turns have no attachments."""


class NoSecrets:
    """Keeps nothing either."""

    def get(self, name: str) -> dict[str, Any] | None:
        return None

    def put(self, name: str, value: dict[str, Any]) -> None:
        raise AssertionError("nothing is to be kept")


@dataclass
class Bench:
    """The stand-in and an assistant that asks it."""

    double: Double
    http: HttpClient = field(default_factory=lambda: HttpClient(allow_private=True))

    def settings(self, **changes: Any) -> WatsonSettings:
        given = {
            "url": f"{self.double.root}{INSTANCE}",
            "iam_url": self.double.root,
            "api_key": API_KEY,
            "assistant_id": "a-1",
            "environment_id": "e-1",
            "timeout": 5,
        }
        return WatsonSettings(**(given | changes))

    @property
    def services(self) -> Services:
        return Services(self.http, structlog.get_logger(), NoSecrets())

    def assistant(self, **changes: Any) -> WatsonAssistant:
        return WatsonAssistant(self.settings(**changes), self.services)

    def turn(
        self, session_id: str | None = None, context: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Turn:
        return Turn(
            id=uuid.uuid4(),
            assistant="support",
            integration="support-sms",
            channel="sms",
            kind="text",
            person="+15550000002",
            line="+15550000001",
            number="+15550000001",
            correlation="c-1",
            session=Session(uuid.uuid4(), session_id, context or {}, 0),
            attachments=Attachments([], NoKeeper(), lambda data, hint: hint, uuid.uuid4),  # type: ignore[arg-type]
            services=self.services,
            timeout=timeout,
        )

    @staticmethod
    def request(text: str = "hello", **context: Any) -> dict[str, Any]:
        return {"input": {"message_type": "text", "text": text}, "context": context, "user_id": "u"}


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
    double.shutdown()
    double.server_close()
    thread.join()
