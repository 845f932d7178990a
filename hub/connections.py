"""Connections of the HTTP client: to judged addresses only, and read until a deadline."""

from __future__ import annotations

import http.client
import io
import logging
import socket
import time
from typing import Any

import requests
import urllib3
from requests_hardened.ip_filter import InvalidIPAddress, filter_host
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import LocationValueError

# What it would log stands in the error already, and its lines are not of our log's form.
logging.getLogger("requests_hardened.ip_filter").disabled = True


class Unresolvable(LocationValueError):
    """The name of a host has no address right now."""


def checked_address(host: str, port: int | None) -> str:
    """The address of `host` to connect to.

    :raises LocationValueError: it is a private one, or there is none.
    """
    try:
        return str(filter_host(host.strip("[]"), port or 0, allow_loopback=False)).strip("[]")
    except InvalidIPAddress:
        raise LocationValueError(f"{host} is a private address; HUB_ALLOW_PRIVATE_URLS=1 would allow it") from None
    except requests.RequestException:
        raise Unresolvable(f"{host} cannot be resolved") from None


class _TimedReader(io.RawIOBase):
    """Reads an answer until a deadline: a socket's own time-out begins anew with every byte that drips in."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        seconds = sock.gettimeout()
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            self._sock.settimeout(max(0.001, self._deadline - time.monotonic()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock))


class _HTTPConnection(HTTPConnection):
    response_class = _TimedResponse


class _HTTPSConnection(HTTPSConnection):
    response_class = _TimedResponse


class _PublicOnly:
    """Connects to the address that was judged, under the name that was asked for."""

    _dns_host: str
    port: int

    def _new_conn(self) -> Any:
        name = self._dns_host
        self._dns_host = checked_address(name, self.port)
        try:
            return super()._new_conn()  # type: ignore[misc]
        finally:
            # TLS and the Host header go by the name, which urllib3 reads from the same attribute.
            self._dns_host = name


class _PublicHTTPConnection(_PublicOnly, _HTTPConnection):
    pass


class _PublicHTTPSConnection(_PublicOnly, _HTTPSConnection):
    pass


def _pool(base: Any, connection: Any) -> Any:
    return type(base.__name__, (base,), {"ConnectionCls": connection})


ANY_HOST = {
    "http": _pool(urllib3.HTTPConnectionPool, _HTTPConnection),
    "https": _pool(urllib3.HTTPSConnectionPool, _HTTPSConnection),
}
PUBLIC_HOSTS = {
    "http": _pool(urllib3.HTTPConnectionPool, _PublicHTTPConnection),
    "https": _pool(urllib3.HTTPSConnectionPool, _PublicHTTPSConnection),
}
