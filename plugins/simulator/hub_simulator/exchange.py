"""One HTTP request as Twilio makes them.

`http.client` and not a higher library, because the signature covers the URL byte for byte and those libraries tidy URLs
up, and because connecting and reading have time-outs of their own that fail with codes of their own.
"""

from __future__ import annotations

import functools
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

CHUNK = 65_536
Failure = Literal["ct", "rt", "url"]


class ExchangeError(Exception):
    """No answer. `kind` is the retry policy it falls under (Twilio: webhook connection overrides, `rp`)."""

    def __init__(self, code: int, kind: Failure, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.kind = kind


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    too_long: bool = False

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Patience:
    """Time-outs in seconds: to connect, for each wait while reading, and the moment everything must be over."""

    connect: float
    read: float
    deadline: float

    def left(self, at_most: float) -> float:
        """How long the next wait may take."""
        left = min(at_most, self.deadline - time.monotonic())
        if left <= 0:
            raise ExchangeError(11200, "rt", "total time-out")
        return left


def exchange(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, patience: Patience, limit: int
) -> Answer:
    """Send one request to a URL without fragment and user, and read at most `limit` bytes of the answer."""
    connection = _connection(url, patience)
    try:
        _connect(connection)
        return _talk(connection, method, url, headers, body, patience, limit)
    finally:
        connection.close()


def _connection(url: str, patience: Patience) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        url.encode("ascii")
    except ValueError as error:
        raise ExchangeError(11100, "url", str(error)) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ExchangeError(11100, "url", "not an absolute http(s) URL")
    timeout = patience.left(patience.connect)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=_tls())
    return http.client.HTTPConnection(host, port, timeout=timeout)


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _connect(connection: http.client.HTTPConnection) -> None:
    try:
        connection.connect()
    except socket.gaierror as error:
        raise ExchangeError(11210, "ct", str(error)) from None
    except ssl.SSLCertVerificationError as error:
        raise ExchangeError(11237, "ct", error.verify_message) from None
    except ssl.SSLError as error:
        raise ExchangeError(11220, "ct", str(error)) from None
    except OSError as error:
        raise ExchangeError(11205, "ct", str(error)) from None


def _talk(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    patience: Patience,
    limit: int,
) -> Answer:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query or url.endswith("?") else "")
    try:
        connection.sock.settimeout(patience.left(patience.read))
        connection.request(method, target, body, {"Host": parts.netloc, "Connection": "close", **headers})
        sock = connection.sock  # the response takes the socket over when the server closes the connection
        response = connection.getresponse()
        received = b""
        while len(received) <= limit:
            sock.settimeout(patience.left(patience.read))
            chunk = response.read1(CHUNK)
            if not chunk:
                break
            received += chunk
        answer_headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, answer_headers, received[:limit], too_long=len(received) > limit)
    except TimeoutError:
        raise ExchangeError(11200, "rt", "read time-out") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ExchangeError(11200, "rt", f"{type(error).__name__}: {error}") from None
