"""The one outbound HTTP client of the hub: pooled, bounded in time and size, kept off private addresses.

Built on urllib3 pools whose connections ask ``requests_hardened`` whether the resolved address may be reached, at the
moment of connecting, so that a name that changes its mind between check and connect gains nothing and every redirect
hop is checked like the first. Libraries that insist on a ``requests.Session`` get one over the same pools.
"""

from __future__ import annotations

import ipaddress
import json as jsonlib
import os
import ssl
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from hub.connections import ANY_HOST, PUBLIC_HOSTS, Unresolvable, checked_address
from hub.errors import HttpFailed

CONNECT_SECONDS = 5.0
CHUNK = 65_536
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, ProxyError)

Form = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, headers (case-insensitive) and the whole body of an answer, and the URL that gave it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as UTF-8, undecodable bytes replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        :raises HttpFailed: it is not JSON.
        """
        try:
            return jsonlib.loads(self.body)
        except ValueError:
            sentence = f"{origin(self.url)} answered {self.status} with something that is not JSON"
            raise HttpFailed(sentence, sent=True) from None


def origin(url: str) -> str:
    """Scheme and host of `url`, for messages: paths and queries may hold secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "the URL"


def same_host(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port."""
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.hostname, first.port) == (second.scheme, second.hostname, second.port)


class HttpClient:
    """Makes every outside call of the hub.

    :param allow_private: reach private addresses and plain http (``HUB_ALLOW_PRIVATE_URLS``).
    :param max_bytes: largest answer read unless a call says otherwise (``HUB_MAX_ANSWER_BYTES``).
    :param connections: connections kept open per host.
    """

    def __init__(self, *, allow_private: bool = False, max_bytes: int = 2_000_000, connections: int = 32) -> None:
        self.allow_private = allow_private
        self.max_bytes = max_bytes
        self._options: dict[str, Any] = {"num_pools": 64, "maxsize": connections, "ssl_context": _ssl_context()}
        self._pools = urllib3.PoolManager(**self._options)
        self._pools.pool_classes_by_scheme = ANY_HOST if allow_private else PUBLIC_HOSTS
        self._proxies = urllib.request.getproxies()
        self._proxy_pools: dict[str, urllib3.ProxyManager] = {}
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Form | None = None,
        json: Any = None,
        form: Form | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float = 30.0,
        max_bytes: int | None = None,
        redirects: int = 0,
    ) -> HttpResponse:
        """One call.

        :param json: sent as a JSON body. :param form: sent as a form body.
        :param auth: user and password for Basic auth; never follows a redirect to another host.
        :param timeout: seconds for the whole call, connecting at most 5 of them.
        :param max_bytes: largest body read; more is an error.
        :param redirects: how many redirects of a GET or HEAD are followed.
        :raises HttpFailed: no answer, an answer that is too large or too slow, an address that is not allowed.
        """
        sent_headers = {"User-Agent": "integration-hub", **(headers or {})}
        body: bytes | None = None
        if json is not None:
            body = jsonlib.dumps(json, ensure_ascii=False).encode()
            sent_headers.setdefault("Content-Type", "application/json")
        elif form is not None:
            body = urlencode(form).encode()
            sent_headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        if auth is not None:
            sent_headers["Authorization"] = urllib3.make_headers(basic_auth=f"{auth[0]}:{auth[1]}")["authorization"]
        if params:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"
        deadline = time.monotonic() + timeout
        limit = self.max_bytes if max_bytes is None else max_bytes
        while True:
            response = self._once(method, url, body, sent_headers, deadline, limit)
            target = response.headers.get("location")
            if (
                response.status not in REDIRECT_STATUSES
                or not target
                or redirects <= 0
                or method not in ("GET", "HEAD")
            ):
                return response
            redirects -= 1
            try:
                following = urljoin(url, target)
                stays = same_host(url, following)
            except ValueError:
                raise HttpFailed(f"{origin(url)} redirects to what is no address", sent=True, retryable=False) from None
            if not stays:
                sent_headers = {name: value for name, value in sent_headers.items() if name.lower() != "authorization"}
            url = following

    def session(self) -> requests.Session:
        """A ``requests.Session`` over the same pools, limits and address filter, for SDKs that need one."""
        session = requests.Session()
        session.trust_env = False
        adapter = _Adapter(self)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def check(self, url: str) -> None:
        """Refuse a URL that this hub may not call.

        :raises HttpFailed: not http(s), or plain http while private addresses are off.
        """
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise HttpFailed(f"{origin(url)} is not an http address", sent=False, retryable=False)
        if parts.scheme == "http" and not self.allow_private:
            sentence = f"{origin(url)} is plain http; HUB_ALLOW_PRIVATE_URLS=1 would allow it"
            raise HttpFailed(sentence, sent=False, retryable=False)

    def pools_for(self, url: str) -> urllib3.PoolManager:
        """The pools that reach `url`: direct ones, or those of the proxy the environment names for it."""
        if not self._proxies:
            return self._pools
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
            return self._pools
        if not self.allow_private:
            _check_through_proxy(parts.hostname or "", parts.port)
        with self._lock:
            if proxy not in self._proxy_pools:
                self._proxy_pools[proxy] = urllib3.ProxyManager(proxy, **self._options)
                self._proxy_pools[proxy].pool_classes_by_scheme = ANY_HOST
            return self._proxy_pools[proxy]

    def _once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], deadline: float, limit: int
    ) -> HttpResponse:
        self.check(url)
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise HttpFailed(f"{origin(url)} did not answer in time", sent=True)
        try:
            response = self.pools_for(url).urlopen(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, remaining), read=remaining),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = read_bounded(response, deadline, limit, url)
        except (LocationValueError, UnicodeError) as error:
            passing = isinstance(error, Unresolvable)
            raise HttpFailed(_sentence(url, "cannot be reached", error), sent=False, retryable=passing) from error
        except _NEVER_SENT as error:
            raise HttpFailed(_sentence(url, "cannot be reached", error), sent=False) from error
        except (ReadTimeoutError, TimeoutError) as error:
            raise HttpFailed(f"{origin(url)} did not answer in time", sent=True) from error
        except SSLError as error:
            untrusted = any(isinstance(each, ssl.SSLCertVerificationError) for each in error.args)
            raise HttpFailed(_sentence(url, "broke off", error), sent=not untrusted) from error
        except (HTTPError, OSError, ValueError) as error:
            raise HttpFailed(_sentence(url, "broke off", error), sent=True) from error
        return HttpResponse(response.status, response.headers, content, url)


def read_bounded(response: urllib3.BaseHTTPResponse, deadline: float, limit: int, url: str) -> bytes:
    """The whole body, at most `limit` bytes after decompression, until `deadline` (monotonic seconds).

    :raises HttpFailed: it is larger or slower; the connection is then closed, not reused.
    """
    content = bytearray()
    try:
        while chunk := response.read1(CHUNK, decode_content=True):
            content += chunk
            if len(content) > limit:
                raise HttpFailed(f"{origin(url)} answered more than {limit} bytes", sent=True, retryable=False)
            if time.monotonic() > deadline:
                raise HttpFailed(f"{origin(url)} did not finish its answer in time", sent=True)
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(content)


class _Adapter(HTTPAdapter):
    """Lets a ``requests.Session`` use the hub's pools, and reads its answers within the hub's limits."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        super().__init__()

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        url = str(request.url)
        try:
            self._client.check(url)
            return self._client.pools_for(url).connection_from_url(url)
        except (HttpFailed, LocationValueError) as error:
            raise requests.ConnectionError(str(error), request=request) from error

    def request_url(self, request: Any, proxies: Any) -> str:
        """A proxy of plain http is told the whole address."""
        url = str(request.url)
        if url.startswith("http:") and isinstance(self._client.pools_for(url), urllib3.ProxyManager):
            return url
        return str(super().request_url(request, proxies))

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The pools carry the certificate settings; requests would overwrite them."""

    def send(self, request: Any, stream: bool = False, timeout: Any = None, *args: Any, **kwargs: Any) -> Any:
        seconds = timeout[-1] if isinstance(timeout, tuple) else timeout
        seconds = 60.0 if seconds is None else float(seconds)
        deadline = time.monotonic() + seconds
        try:
            response = super().send(request, True, (min(CONNECT_SECONDS, seconds), seconds), *args, **kwargs)
            response._content = read_bounded(response.raw, deadline, self._client.max_bytes, str(request.url))
        except LocationValueError as error:
            raise requests.ConnectionError(str(error), request=request) from error
        except ReadTimeoutError as error:
            raise requests.ReadTimeout(str(error), request=request) from error
        except (HttpFailed, HTTPError) as error:
            raise requests.ConnectionError(str(error), request=request) from error
        setattr(response, "_content_consumed", True)  # noqa: B010 - requests does not declare it
        return response


def _ssl_context() -> ssl.SSLContext:
    """One context for all pools: loading the CA bundle costs 17 ms."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where()
    return ssl.create_default_context(cafile=bundle)


def _check_through_proxy(host: str, port: int | None) -> None:
    """A proxy resolves names itself, so only what is resolvable here can be judged here."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        try:
            checked_address(host, port)
        except Unresolvable:
            return
    else:
        checked_address(host, port)


def _sentence(url: str, what: str, error: BaseException) -> str:
    return f"{origin(url)} {what}: {_reason(error)}"


def _reason(error: BaseException) -> str:
    """The last sentence of urllib3's nested message, without the connection object's repr."""
    text = str(error.args[-1] if error.args else error)
    return text.rsplit(">: ", 1)[-1].rsplit("): ", 1)[-1][:200]
