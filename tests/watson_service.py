"""A stand-in for IBM watsonx Assistant and its IAM: real HTTP, sessions, and every call kept to be looked at.

Like the service it keeps a session's context, lays what a request brings upon it (a null replaces too), and returns the
whole of it to whoever asks for it: a variable that was set once comes back with every later answer.
"""

from __future__ import annotations

import copy
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

INSTANCE = "/instances/i-1"
ROUTE = re.compile(
    rf"{INSTANCE}/v2/assistants/(?P<assistant>[^/]+)(?:/environments/(?P<environment>[^/]+))?"
    r"(?:/sessions(?:/(?P<session>[^/]+))?)?(?P<message>/message)?"
)
PATIENCE = 30.0
"""Seconds a call that is not answered is held at most."""

Generic = list[dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """One request the service got; `kind` is token, create, delete or message.

    :param session: the one in the path, or the one that was created.
    """

    kind: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    assistant: str = ""
    session: str | None = None

    @property
    def user(self) -> str | None:
        """The user id of a message request."""
        return self.body.get("user_id") if self.kind == "message" else None

    @property
    def input(self) -> dict[str, Any]:
        """The input of a message request."""
        found: dict[str, Any] = self.body["input"]
        return found

    @property
    def variables(self) -> dict[str, Any]:
        """The channel's variables of a message request."""
        found: dict[str, Any] = self.body["context"]["skills"]["main skill"]["user_defined"]
        return found


@dataclass(frozen=True)
class Reply:
    """What the assistant answers to one turn.

    :param variables: what its dialog sets in ``context.skills["main skill"].user_defined``; stays in the context.
    :param output: further members of ``output``. :param skips: it asks for an empty turn (``skip_user_input``).
    """

    generic: Generic = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    skips: bool = False


@dataclass(frozen=True)
class Failure:
    """The service answers with an error instead."""

    status: int
    transaction: str


@dataclass(frozen=True)
class Silence:
    """The service does not answer."""


Step = Reply | Failure | Silence


def said(text: str) -> dict[str, Any]:
    """A text element of an answer."""
    return {"response_type": "text", "text": text}


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Both objects as one; what `over` has replaces, also by null, but objects in both are merged."""
    result = copy.deepcopy(under)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(below, value) if both else copy.deepcopy(value)
    return result


class WatsonService:
    """Listens between `with` and its end. Without a script it repeats what it was told.

    :ivar scripts: by user id, the steps of that person's turns; an end of the script is back to repeating.
    :ivar hung_up: user id and seconds of each call that was not answered until the caller hung up.
    :ivar on_delete: told the id of a session before it is deleted.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.scripts: dict[str, Iterator[Step]] = {}
        self.hung_up: list[tuple[str, float]] = []
        self.on_delete: Callable[[str], None] = lambda session: None
        self.token = uuid.uuid4().hex
        self._contexts: dict[str, dict[str, Any]] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = service._answer(self.command, self.path, dict(self.headers), raw)
                if isinstance(answer, str):
                    service._hold(answer, self.connection)
                    self.close_connection = True
                else:
                    self._send(*answer)

            def do_DELETE(self) -> None:
                self.do_POST()

            def _send(self, status: int, document: dict[str, Any], transaction: str = "") -> None:
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                if transaction:
                    self.send_header("X-Global-Transaction-Id", transaction)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
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

    def by(self, user: str, kind: str | None = None) -> list[Call]:
        """The calls about one user, oldest first: messages, and what was done with the sessions they were in."""
        calls = list(self.calls)
        sessions = {call.session for call in calls if call.user == user} - {None}
        return [call for call in calls if (call.user == user or call.session in sessions) and kind in (None, call.kind)]

    def _hold(self, user: str, connection: socket.socket) -> None:
        """Say nothing until the caller hangs up, and note how long that took."""
        began = time.monotonic()
        connection.settimeout(PATIENCE)
        try:
            connection.recv(1)
        except TimeoutError:
            return
        except OSError:
            pass
        self.hung_up.append((user, time.monotonic() - began))

    def _answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> tuple[Any, ...] | str:
        """Status, document and the like; or the id of a user who is not answered."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        if parts.path == "/identity/token":
            self.calls.append(Call("token", parts.path, query, headers, dict(parse_qsl(raw.decode()))))
            return 200, {"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"}
        route = ROUTE.fullmatch(parts.path)
        if route is None or "version" not in query:
            return 404, {"error": "Resource not found"}
        kind = "message" if route["message"] else "delete" if method == "DELETE" else "create"
        session = str(uuid.uuid4()) if kind == "create" else route["session"]
        body = json.loads(raw) if raw else None
        if kind == "delete":
            self.on_delete(session)
        self.calls.append(Call(kind, parts.path, query, headers, body, route["assistant"], session))
        if kind == "create":
            self._contexts[session] = {}
            return 201, {"session_id": session}
        if session and session not in self._contexts:
            return 404, {"error": "Invalid Session", "code": 404}
        if kind == "delete":
            del self._contexts[session]
            return 200, {}
        return self._message(session, body)

    def _message(self, session: str | None, body: dict[str, Any]) -> tuple[Any, ...] | str:
        text, user = body["input"].get("text", ""), body["user_id"]
        step = next(self.scripts.get(user, iter(())), Reply([said(f"you said {text}")]))
        if isinstance(step, Silence):
            return user
        if isinstance(step, Failure):
            return step.status, {"error": "it broke"}, step.transaction
        sent = body.get("context", {})
        context = self._context(merged(self._contexts[session], sent) if session else sent, session, step, text)
        answer: dict[str, Any] = {"output": {"generic": step.generic, **step.output}, "user_id": user}
        if session:
            self._contexts[session] = context
        if session is None or body["input"].get("options", {}).get("return_context"):
            answer["context"] = context
        return 200, answer

    def _context(self, context: dict[str, Any], session: str | None, step: Reply, text: str) -> dict[str, Any]:
        """The context after a turn that began with `context`."""
        known = context.get("global", {})
        system = {**known.get("system", {}), "state": f"after {text}"}
        system["turn_count"] = system.get("turn_count", 0) + 1
        system.pop("skip_user_input", None)  # it is about one answer
        if step.skips:
            system["skip_user_input"] = True
        part = {"session_id": session or known.get("session_id") or str(uuid.uuid4()), "system": system}
        return merged({**context, "global": part}, {"skills": {"main skill": {"user_defined": step.variables}}})
