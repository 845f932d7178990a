"""Stand-ins for the outside: an assistant behind one URL that answers by script."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Script = Callable[[dict[str, Any]], Any]


def texts(*lines: str) -> dict[str, Any]:
    """A message response with one text element per line."""
    return {"output": {"generic": [{"response_type": "text", "text": line} for line in lines]}, "context": {}}


def echo(request: dict[str, Any]) -> dict[str, Any]:
    return texts(f"echo {request['input']['text']}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class ScriptedAssistant:
    """Answers POSTed requests with what `script` returns: a dict as JSON, bytes as such, an int as a bare status."""

    def __init__(self, script: Script = echo) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.in_progress = 0
        self.changed = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = json.loads(body) if body else {"input": {"text": self.path}}
                with double.changed:
                    double.requests.append(request)
                    double.in_progress += 1
                    double.changed.notify_all()
                try:
                    double.gate.wait(60)
                    self._answer(double.script(request))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with double.changed:
                        double.in_progress -= 1
                        double.changed.notify_all()

            def _answer(self, answer: Any) -> None:
                status = answer if isinstance(answer, int) else 200
                content = (
                    answer
                    if isinstance(answer, bytes)
                    else b""
                    if isinstance(answer, int)
                    else json.dumps(answer).encode()
                )
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, condition: Callable[[ScriptedAssistant], bool], timeout: float = 30) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError(f"{len(self.requests)} requests, {self.in_progress} in progress")
