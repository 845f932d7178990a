"""A stand-in for Twilio's Messages API and for an assistant: one raw HTTP/1.1 server that costs little CPU.

The benchmark runs it inside the load generator's event loop, so that a send is counted the moment it arrives. It can
also be started by itself, ``python -m bench.double --port 8099``; then ``GET /control`` tells the counts,
``GET /control/arrivals`` when each send came (``time.monotonic``, which all processes of a Linux machine share), and
``POST /control/reset`` forgets everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote_plus

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_DELAY = re.compile(rb"[?&]delay_ms=(\d+)")
_OUTPUT = b'{"output":{"generic":[{"response_type":"text","text":"ok"}]}}'
_MESSAGE = (
    '{"sid":"%s","account_sid":"%s","status":"queued","direction":"outbound-api","from":%s,"to":%s,"body":%s,'
    '"num_segments":"1","num_media":"0","date_created":"Mon, 01 Jun 2026 08:00:00 +0000",'
    '"date_updated":"Mon, 01 Jun 2026 08:00:00 +0000","date_sent":null,"error_code":null,"error_message":null,'
    '"price":null,"price_unit":"USD","messaging_service_sid":null,"api_version":"2010-04-01",'
    '"uri":"/2010-04-01/Accounts/%s/Messages/%s.json","subresource_uris":{}}'
)

OnSend = Callable[[float, str], None]


class Double:
    """What arrived.

    :ivar on_send: called for every message received, with the monotonic time and the recipient.
    """

    def __init__(self) -> None:
        self.on_send: OnSend | None = None
        self.reset()

    def reset(self) -> None:
        """Forget what arrived; calls in progress stay in progress."""
        self.sends = 0
        self.unexpected = 0
        self.calls = 0
        self.in_progress = getattr(self, "in_progress", 0)
        self.most_in_progress = self.in_progress
        self.arrivals: list[tuple[float, str]] = []

    def counts(self) -> dict[str, int]:
        """The counts as `GET /control` tells them; `unexpected` are sends of another text than the assistant's."""
        names = ("sends", "unexpected", "calls", "in_progress", "most_in_progress")
        return {name: getattr(self, name) for name in names}

    def message(self, path: bytes, body: bytes) -> bytes:
        """Take one send and answer like Twilio."""
        now = time.monotonic()
        fields = dict(pair.split(b"=", 1) for pair in body.split(b"&"))
        recipient = unquote_plus(fields.get(b"To", b"").decode())
        text = unquote_plus(fields.get(b"Body", b"").decode())
        sender = unquote_plus(fields.get(b"From", b"").decode())
        self.sends += 1
        self.unexpected += text != "ok"
        self.arrivals.append((now, recipient))
        if self.on_send is not None:
            self.on_send(now, recipient)
        sid, account = f"SMd{self.sends:031x}", path.split(b"/")[3].decode()  # inbound ids begin with SM0
        values = (json.dumps(sender), json.dumps(recipient), json.dumps(text))
        return (_MESSAGE % (sid, account, *values, account, sid)).encode()


class Exchange(asyncio.Protocol):
    """One connection: requests one after another, each answered before the next is read."""

    def __init__(self, double: Double) -> None:
        self._double = double
        self._buffer = b""
        self._pending: asyncio.TimerHandle | None = None
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._read()

    def _read(self) -> None:
        while self._pending is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._buffer, 0, end)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            request, self._buffer = self._buffer[:total], self._buffer[total:]
            method, target, _ = request.split(b" ", 2)
            self._handle(method, target, request[end + 4 :])

    def _handle(self, method: bytes, target: bytes, body: bytes) -> None:
        if target.startswith(b"/assistant"):
            self._assist(target)
        elif target.startswith(b"/2010-04-01/Accounts/") and method == b"POST":
            self._answer(b"201 CREATED", self._double.message(target, body))
        elif target.startswith(b"/2010-04-01/Accounts/"):
            self._answer(b"200 OK", b'{"messages":[],"next_page_uri":null,"page":0,"page_size":50}')
        elif target == b"/control":
            self._answer(b"200 OK", json.dumps(self._double.counts()).encode())
        elif target == b"/control/arrivals":
            self._answer(b"200 OK", json.dumps(self._double.arrivals).encode())
        elif target == b"/control/reset":
            self._double.reset()
            self._answer(b"200 OK", b"{}")
        else:
            self._answer(b"404 NOT FOUND", b'{"code":20404,"message":"not found","status":404}')

    def _assist(self, target: bytes) -> None:
        double = self._double
        double.calls += 1
        delay = _DELAY.search(target)
        if delay is None or delay[1] == b"0":
            self._answer(b"200 OK", _OUTPUT)
            return
        double.in_progress += 1
        double.most_in_progress = max(double.most_in_progress, double.in_progress)
        self._pending = asyncio.get_running_loop().call_later(int(delay[1]) / 1000, self._assisted)

    def _assisted(self) -> None:
        self._pending = None
        self._double.in_progress -= 1
        self._answer(b"200 OK", _OUTPUT)
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._double.in_progress -= 1

    def _answer(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        self._transport.write(head + body)


async def listen(double: Double, port: int = 0) -> asyncio.Server:
    """Start serving on 127.0.0.1; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Exchange(double), "127.0.0.1", port, backlog=2048)


async def _serve(port: int) -> None:
    server = await listen(Double(), port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.double", description="Twilio and assistant double")
    parser.add_argument("--port", type=int, default=8099)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().port))
