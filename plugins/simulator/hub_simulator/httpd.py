"""A small threaded HTTP/1.1 server for tests.

Werkzeug's development server closes every connection and waits ten milliseconds before it does; clients that keep
connections alive, as a hub does, would not be tested.
"""

from __future__ import annotations

import io
import socket
import socketserver
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

BODY_LIMIT = 20_000_000


class Httpd(socketserver.ThreadingTCPServer):
    """Serves a WSGI application on a free port of this machine."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    app: WSGIApplication

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close without the shutdown before it: a reset connection is gone already."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the game."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Httpd

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Tests have no access log."""

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if size > BODY_LIMIT or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_error(413)
            return
        environ = self._environ(self.rfile.read(size))
        answer: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
            answer[:] = [status, headers]
            return self.wfile.write

        result = self.server.app(environ, start_response)
        try:
            self._answer(answer[0], answer[1], result)
        finally:
            getattr(result, "close", lambda: None)()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - names of the base class

    def _answer(self, status: str, headers: list[tuple[str, str]], result: Any) -> None:
        code, _, reason = status.partition(" ")
        bodiless = self.command == "HEAD" or code in ("204", "304")
        chunked = not bodiless and not any(name.lower() == "content-length" for name, _ in headers)
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in result:
            if part and not bodiless:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                self.wfile.flush()
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _environ(self, body: bytes) -> WSGIEnvironment:
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": self.path,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "hub_simulator.socket": self.connection,
        }
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ
