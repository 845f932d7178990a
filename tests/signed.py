"""Webhook requests as Twilio sends and signs them, and as it never would; and a look into the hub's store."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import time
import uuid
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from conftest import NUMBER, PERSON
from sqlalchemy import NullPool, create_engine, text

from hub.testing import RunningHub, wait_until

Fields = Sequence[tuple[str, str]]
Headers = Sequence[tuple[str, str]]
IDLE_SECONDS = 1.0
"""The server closes a connection that is idle for two."""
FORM = "application/x-www-form-urlencoded"
TABLES = ("lane", "session", "turn", "message", "message_event", "attachment", "opt_out")


def signature(token: str, url: str, fields: Fields = ()) -> str:
    """Twilio's rule: the address, then each field by name, name and value with nothing between them."""
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    return b64encode(hmac.digest(token.encode(), signed.encode(), hashlib.sha1)).decode()


def message_fields(
    account_sid: str, person: str = PERSON, body: str = "hello", **changes: str
) -> list[tuple[str, str]]:
    """The fields of a text; `changes` add to them or replace some."""
    usual = {
        "AccountSid": account_sid,
        "MessageSid": f"SM{uuid.uuid4().hex}",
        "From": person,
        "To": NUMBER,
        "Body": body,
        "NumMedia": "0",
        "NumSegments": "1",
    }
    return list({**usual, **changes}.items())


class Caller:
    """Somebody who calls the webhooks of a hub over one connection that is kept alive."""

    def __init__(self, hub: RunningHub, token: str) -> None:
        self.hub = hub
        self.token = token
        self._connection = HTTPConnection("127.0.0.1", hub.port, timeout=30)
        self._used = 0.0

    def close(self) -> None:
        self._connection.close()

    def post(self, target: str, fields: Fields, *, signed: bool = True, headers: Headers = ()) -> int:
        """Post a form; returns the status."""
        given = {"Content-Type": FORM, **dict(headers)}
        if signed:
            given["X-Twilio-Signature"] = signature(self.token, self.hub.url + target, fields)
        return self._exchange("POST", target, urlencode(fields), given)[0]

    def get(self, target: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body."""
        return self._exchange("GET", target, None, {})

    def _exchange(
        self, method: str, target: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
        try:
            self._connection.request(method, target, body, headers)
            with self._connection.getresponse() as answer:
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        except BaseException:
            self._connection.close()
            raise
        finally:
            self._used = time.monotonic()

    def metric(self, line: str) -> float:
        """The value of one line of ``/metrics``, 0 if it is not there."""
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.get("/metrics")[2].decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0


def request(
    target: str, body: bytes = b"", *, method: str = "POST", kind: str | None = FORM, headers: Headers = ()
) -> bytes:
    """A request byte by byte; what it says need not make sense."""
    lines = [f"{method} {target} HTTP/1.1", "Host: hub.example", *(f"{name}: {value}" for name, value in headers)]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    if not any(name in ("Content-Length", "Transfer-Encoding") for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def send(port: int, data: bytes, *, hang_up: bool = False) -> int | None:
    """The status of the answer to `data`, or None if the connection was closed without one.

    :param hang_up: end our side of the connection after `data`.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # the hub may answer before it has read everything
            connection.sendall(data)
        try:
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            while b"\r\n" not in received and (chunk := connection.recv(65_536)):
                received += chunk
        except TimeoutError:
            raise
        except OSError:
            pass  # the hub has closed its side already
    found = re.match(rb"HTTP/1\.[01] (\d{3})", received)
    return int(found[1]) if found else None


def query(hub: RunningHub, statement: str, **values: Any) -> list[Any]:
    """Rows of the hub's database, read beside the hub."""
    engine = create_engine(hub.environment["HUB_DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        return list(connection.execute(text(statement), values))


def rows(hub: RunningHub) -> dict[str, int]:
    """How many rows each table has."""
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)
    return dict(zip(TABLES, query(hub, f"SELECT {counts}")[0], strict=True))


def idle(hub: RunningHub) -> None:
    """Wait until the hub has nothing left to do."""
    busy = (
        "SELECT (SELECT count(*) FROM message WHERE queue IS NOT NULL)"
        " + (SELECT count(*) FROM lane WHERE owner IS NOT NULL OR turn_id IS NOT NULL)"
    )
    wait_until(lambda: query(hub, busy)[0][0] == 0, 60, "an idle hub")
