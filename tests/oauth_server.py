"""A token endpoint that answers by script and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class TokenRequest:
    method: str
    path: str
    headers: Mapping[str, str]
    pairs: list[tuple[str, str]]

    @property
    def form(self) -> dict[str, str]:
        """The fields; a field that came twice is a mistake."""
        assert len(dict(self.pairs)) == len(self.pairs), "a field was sent twice"
        return dict(self.pairs)


Script = Callable[[TokenRequest], Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class OAuthServer:
    """Answers with what `script` returns: a dict or list as JSON, bytes as such, an int as a bare status, a pair of
    status and any of these, or a triple with headers as well. Without a script: access-1, access-2 … for an hour."""

    def __init__(self) -> None:
        self.requests: list[TokenRequest] = []
        self.script: Script = self.give
        self.released = threading.Event()
        self.arrived = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def give(self, request: TokenRequest, **changes: Any) -> dict[str, Any]:
        """An hour's token, numbered like the request."""
        given = {"access_token": f"access-{len(self.requests)}", "token_type": "bearer", "expires_in": 3600, **changes}
        return {name: value for name, value in given.items() if value is not None}

    def answers(self, *answers: Any) -> None:
        """One answer for each request; one more request is a mistake, answered 599."""
        rest = iter(answers)
        self.script = lambda _request: next(rest, 599)

    def hang(self, _request: TokenRequest) -> int:
        """Until the test is over."""
        self.released.wait(60)
        return 500

    def wait_for(self, count: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, 20)

    @property
    def forms(self) -> list[dict[str, str]]:
        return [request.form for request in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body))
                request = TokenRequest(self.command, self.path, self.headers, pairs)
                with double.arrived:
                    double.requests.append(request)
                    double.arrived.notify_all()
                try:
                    self._answer(double.script(request))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def _answer(self, answer: Any) -> None:
                status, headers = 200, {}
                if isinstance(answer, tuple):
                    status, answer, headers = (*answer, {})[:3]
                if isinstance(answer, int):
                    status, answer = answer, b""
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
