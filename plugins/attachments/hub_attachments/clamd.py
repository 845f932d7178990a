"""A client for clamd, the daemon of ClamAV, and its command INSTREAM (ClamAV: clamd(8)).

The bytes ``zINSTREAM\\0`` open the stream. Chunks follow, each after its length as four bytes, big-endian; a chunk of
length 0 ends the stream. The reply ends with a zero byte: ``stream: OK``, ``stream: <signature> FOUND``, or a sentence
that ends with ``ERROR``. For a stream longer than its ``StreamMaxLength``, clamd replies ``INSTREAM size limit
exceeded. ERROR`` before the end and closes the connection.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

CHUNK = 65_536
LONGEST_REPLY = 4_096
CONNECT_SECONDS = 5.0

Address = str | tuple[str, int]
"""The path of a Unix socket, or host and port."""


class ScanFailed(Exception):
    """The scanner did not say what it thinks of a file. Its text is a short word, made for logs."""


def address_of(text: str) -> Address:
    """Where clamd listens: ``unix:/path`` or ``tcp:host:port``.

    :raises ValueError: `text` is neither.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return rest
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if kind == "tcp" and host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
        return host, int(port)
    raise ValueError("write unix:/path or tcp:host:port")


def scan(address: Address, data: bytes, seconds: float) -> str | None:
    """The name of what clamd finds in `data`; None when it finds nothing.

    :param seconds: for the whole scan, connecting at most 5 of them.
    :raises ScanFailed: clamd cannot be reached, is too slow, or does not take the file.
    """
    reply = _ask(address, b"zINSTREAM\0", _stream(data), seconds)
    if reply == "stream: OK":
        return None
    if reply.startswith("stream: ") and reply.endswith(" FOUND"):
        return reply.removeprefix("stream: ").removesuffix(" FOUND")
    raise ScanFailed("size_limit" if "size limit exceeded" in reply else "reply")


def ping(address: Address, seconds: float) -> None:
    """Ask clamd whether it is there.

    :raises ScanFailed: it is not.
    """
    if _ask(address, b"zPING\0", [], seconds) != "PONG":
        raise ScanFailed("reply")


def _stream(data: bytes) -> list[bytes]:
    chunks = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    return [struct.pack(">I", len(chunk)) + chunk for chunk in [*chunks, b""]]


def _ask(address: Address, command: bytes, chunks: list[bytes], seconds: float) -> str:
    deadline = time.monotonic() + seconds
    try:
        with _connected(address, min(seconds, CONNECT_SECONDS)) as connection:
            # clamd closes its side when a stream is too long, and its reply is there to be read nevertheless.
            with suppress(BrokenPipeError, ConnectionResetError):
                for piece in [command, *chunks]:
                    connection.settimeout(_left(deadline))
                    connection.sendall(piece)
            return _reply(connection, deadline)
    except TimeoutError:
        raise ScanFailed("timeout") from None
    except (OSError, UnicodeError):
        raise ScanFailed("unreachable") from None


def _connected(address: Address, seconds: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, seconds)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _reply(connection: socket.socket, deadline: float) -> str:
    received = b""
    while b"\0" not in received and len(received) < LONGEST_REPLY:
        connection.settimeout(_left(deadline))
        more = connection.recv(LONGEST_REPLY)
        if not more:
            break
        received += more
    return received.partition(b"\0")[0].decode("utf-8", "replace").strip()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
