"""Raw HTTP/1.1 requests over connections that are kept alive."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

Done = Callable[[float, int], None]
"""Called with the monotonic time of the answer and its status; 0: the connection broke."""
OK = 200


class _Connection(asyncio.Protocol):
    def __init__(self, client: Client) -> None:
        self._client = client
        self._buffer = b""
        self._done: Done | None = None
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def send(self, request: bytes, done: Done) -> None:
        self._done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or len(buffer) < end + 4 + _length(buffer, end):
            return
        self._buffer = b""
        self._finish(int(buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.drop(self)
        if self._done is not None:
            self._finish(0)

    def _finish(self, status: int) -> None:
        done, self._done = self._done, None
        if status:
            self._client.free(self)
        if done is not None:
            done(time.monotonic(), status)


def _length(head: bytes, end: int) -> int:
    start = head.find(b"Content-Length: ", 0, end)
    return int(head[start + 16 : head.index(b"\r\n", start)]) if start >= 0 else 0


class Client:
    """A fixed number of connections to one server; requests wait for a free one."""

    def __init__(self) -> None:
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._all: list[_Connection] = []

    @classmethod
    async def connect(cls, port: int, connections: int) -> Client:
        """Open all the connections."""
        client = cls()
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: _Connection(client), "127.0.0.1", port)
            client._all.append(connection)
        client._idle.extend(client._all)
        return client

    def send(self, request: bytes, done: Done) -> None:
        """Send on a free connection, now or as soon as there is one."""
        if self._idle:
            self._idle.popleft().send(request, done)
        else:
            self._waiting.append((request, done))

    def free(self, connection: _Connection) -> None:
        """Take back a connection whose answer is complete."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def drop(self, connection: _Connection) -> None:
        """Forget a connection that the server closed."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._all:
            connection.transport.close()
