"""A stand-in for IBM watsonx Assistant and its IAM: real HTTP, sessions, and every call kept to be looked at."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

INSTANCE = "/instances/i-1"
ROUTE = re.compile(
    rf"{INSTANCE}/v2/assistants/(?P<assistant>[^/]+)(?:/environments/(?P<environment>[^/]+))?"
    r"(?:/sessions(?:/(?P<session>[^/]+))?)?(?P<message>/message)?"
)

Generic = list[dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """One request the service got; `kind` is token, create, delete or message."""

    kind: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    assistant: str = ""
    session: str | None = None

    @property
    def variables(self) -> dict[str, Any]:
        """The channel's variables of a message request."""
        found: dict[str, Any] = self.body["context"]["skills"]["main skill"]["user_defined"]
        return found


def said(text: str) -> dict[str, Any]:
    """A text element of an answer."""
    return {"response_type": "text", "text": text}


class WatsonService:
    """Listens between `with` and its end. ``answers[assistant id]`` makes the generic list from the input text."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Callable[[str], Generic]] = {}
        self.token = uuid.uuid4().hex
        self._sessions: set[str] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, document = service._answer(self.command, self.path, dict(self.headers), raw)
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_DELETE(self) -> None:
                self.do_POST()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}{INSTANCE}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, assistant: str, kind: str | None = None) -> list[Call]:
        """The calls to one assistant, oldest first."""
        return [call for call in list(self.calls) if call.assistant == assistant and kind in (None, call.kind)]

    def _answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        if parts.path == "/identity/token":
            self.calls.append(Call("token", parts.path, query, headers, dict(parse_qsl(raw.decode()))))
            return 200, {"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"}
        route = ROUTE.fullmatch(parts.path)
        if route is None or "version" not in query:
            return 404, {"error": "Resource not found"}
        kind = "message" if route["message"] else "delete" if method == "DELETE" else "create"
        body = json.loads(raw) if raw else None
        self.calls.append(Call(kind, parts.path, query, headers, body, route["assistant"], route["session"]))
        if kind == "create":
            session = str(uuid.uuid4())
            self._sessions.add(session)
            return 201, {"session_id": session}
        if route["session"] and route["session"] not in self._sessions:
            return 404, {"error": "Invalid Session", "code": 404}
        if kind == "delete":
            self._sessions.discard(route["session"])
            return 200, {}
        return 200, self._message(route["assistant"], route["session"], body)

    def _message(self, assistant: str, session: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """The answer; a context comes with the stateless call, or when the stateful one asked for it."""
        text = body["input"]["text"]
        answer: dict[str, Any] = {"output": {"generic": self.answers.get(assistant, echo)(text)}, "user_id": "u"}
        if session is None or body["input"].get("options", {}).get("return_context"):
            part = body.get("context", {}).get("global", {})
            system = {**part.get("system", {}), "state": f"after {text}"}
            identifier = session or part.get("session_id") or str(uuid.uuid4())
            answer["context"] = {**body.get("context", {}), "global": {"session_id": identifier, "system": system}}
        return answer


def echo(text: str) -> Generic:
    return [said(f"you said {text}")]
