"""The HTTP client: where it goes, how long it waits, how much it reads, and what it says about failures."""

from __future__ import annotations

import gzip
import ipaddress
import os
import socket
import ssl
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from wire import Server, reply, tls_context

from hub import HttpClient, HttpFailed
from hub.testing import free_port

PUBLIC = "93.184.216.34"
Serve = Callable[..., Server]
OK = reply()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers whose script is a function or always the same answer."""
    with ExitStack() as stack:

        def start(script: Any = OK, tls: ssl.SSLContext | None = None) -> Server:
            return stack.enter_context(Server(script if callable(script) else lambda *_: script, tls))

        yield start


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


@pytest.fixture
def client() -> HttpClient:
    return HttpClient(allow_private=True)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return tls_context(tmp_path_factory.mktemp("tls"))


def failed(client: HttpClient, url: str, **options: Any) -> HttpFailed:
    with pytest.raises(HttpFailed) as caught:
        client.request(options.pop("method", "GET"), url, **options)
    return caught.value


class TestPrivateAddresses:
    @pytest.fixture
    def connects(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Where sockets were connected to; none really is."""
        tried: list[Any] = []

        def connect(_socket: socket.socket, address: Any) -> None:
            tried.append(address[0])
            raise ConnectionRefusedError("not from here")

        monkeypatch.setattr(socket.socket, "connect", connect)
        return tried

    @pytest.fixture
    def resolves(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Names resolve to these addresses, one after the other."""

        def resolve(*addresses: str) -> None:
            left = list(addresses)

            def getaddrinfo(host: str, port: Any, *_: Any, **__: Any) -> Any:
                try:
                    address = str(ipaddress.ip_address(host))
                except ValueError:
                    address = left.pop(0) if len(left) > 1 else left[0]
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                return [(family, socket.SOCK_STREAM, 6, "", (address, int(port or 0)))]

            monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

        return resolve

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
         "255.255.255.255", "2130706433", "0x7f000001", "127.1", "localhost", "[::1]", "[::]", "[fe80::1]", "[fc00::1]",
         "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"],
    )  # fmt: skip
    def test_a_private_address_is_refused_however_it_is_written(self, connects: list[Any], host: str) -> None:
        error = failed(HttpClient(), f"https://{host}:8443/")
        assert not error.sent
        assert connects == []

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"]
    )
    def test_a_name_that_resolves_to_a_private_address_is_refused(
        self, connects: list[Any], resolves: Callable[..., None], address: str
    ) -> None:
        resolves(address)
        error = failed(HttpClient(), "https://innocent.example/")
        assert "private" in str(error)
        assert not error.sent
        with pytest.raises(requests.ConnectionError, match="private"):
            HttpClient().session().get("https://innocent.example/", timeout=1)
        assert connects == []

    def test_the_address_that_was_checked_is_the_one_connected_to(
        self, connects: list[Any], resolves: Callable[..., None]
    ) -> None:
        resolves(PUBLIC, "127.0.0.1")
        failed(HttpClient(), "https://rebinding.example/")
        assert connects == [PUBLIC]

    def test_plain_http_and_other_schemes_are_refused(self, connects: list[Any], resolves: Callable[..., None]) -> None:
        resolves(PUBLIC)
        for url in ("http://public.example/", "file:///etc/passwd", "ftp://public.example/", "public.example"):
            assert not failed(HttpClient(), url).sent
            with pytest.raises(requests.RequestException):
                HttpClient().session().get(url, timeout=1)
        assert connects == []


class TestPublicHosts:
    @pytest.fixture
    def server(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve, tls: tuple[ssl.SSLContext, Path]
    ) -> Iterator[Server]:
        """Stands behind https://public.example/; the only other name is internal.example, a private address."""
        server = serve(OK, tls[0])
        connect, resolve = socket.socket.connect, socket.getaddrinfo
        names = {"public.example": PUBLIC, "internal.example": "10.0.0.5"}
        tried: list[str] = []

        def to_the_server(sock: socket.socket, address: Any) -> None:
            tried.append(address[0])
            connect(sock, ("127.0.0.1", server.port))

        def by_name(host: Any, *rest: Any, **more: Any) -> Any:
            return resolve(names.get(host, host), *rest, **more)

        monkeypatch.setattr(socket.socket, "connect", to_the_server)
        monkeypatch.setattr(socket, "getaddrinfo", by_name)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls[1]))
        yield server
        assert set(tried) == {PUBLIC}

    def test_a_public_host_is_reached_under_its_name(self, server: Server) -> None:
        assert HttpClient().request("GET", "https://public.example/").text == "ok"
        assert HttpClient().session().get("https://public.example/", timeout=5).text == "ok"
        assert all(b"\r\nHost: public.example\r\n" in request for request in server.requests)

    @pytest.mark.parametrize(
        "target",
        ["https://internal.example/", "https://10.0.0.5/", "https://[::1]/", "http://public.example/", "file:///x"],
    )
    def test_every_hop_of_a_redirect_is_checked(self, server: Server, target: str) -> None:
        answer = reply(status="302 Found", Location=target)
        server.script = lambda *_: answer
        assert HttpClient().request("GET", "https://public.example/").status == 302
        assert not failed(HttpClient(), "https://public.example/", redirects=3).sent
        with pytest.raises(requests.RequestException):
            HttpClient().session().get("https://public.example/", timeout=5)
        assert len(server.requests) == 3


class TestRedirects:
    def seen(self, server: Server) -> list[bool]:
        return [b"authorization" in request.lower() for request in server.requests]

    @pytest.mark.parametrize("how", [{"auth": ("user", "hunter2")}, {"headers": {"authorization": "Bearer hunter2"}}])
    def test_auth_stays_with_its_host_and_is_not_sent_again_on_the_way_back(
        self, client: HttpClient, serve: Serve, how: dict[str, Any]
    ) -> None:
        stranger = serve()
        away = reply(status="302 Found", Location=f"{stranger.url}/there")
        own = serve(lambda request, _: away if b"/first" in request else reply(b"back"))
        stranger.script = lambda *_: reply(status="302 Found", Location=f"{own.url}/back")
        assert client.request("GET", f"{own.url}/first", redirects=5, **how).body == b"back"
        assert self.seen(own) == [True, False]
        assert self.seen(stranger) == [False]

    def test_auth_is_kept_on_its_own_host(self, client: HttpClient, serve: Serve) -> None:
        own = serve(lambda request, _: reply() if b"/next" in request else reply(status="301 Moved", Location="/next"))
        assert client.request("GET", own.url, auth=("u", "p"), redirects=1).url == f"{own.url}/next"
        assert self.seen(own) == [True, True]

    def test_they_are_only_followed_as_far_as_asked(self, client: HttpClient, serve: Serve) -> None:
        server = serve(reply(status="302 Found", Location="/again"))
        assert client.request("GET", server.url).status == 302
        assert client.request("GET", server.url, redirects=2).status == 302
        assert len(server.requests) == 4

    def test_a_post_is_not_redirected(self, client: HttpClient, serve: Serve) -> None:
        server = serve(reply(status="307 Temporary", Location="/again"))
        assert client.request("POST", server.url, json={"secret": 1}, redirects=5).status == 307
        assert len(server.requests) == 1

    @pytest.mark.parametrize("target", ["http://[broken", "http://host:99999999/"])
    def test_a_broken_target_is_a_failure_like_any_other(self, client: HttpClient, serve: Serve, target: str) -> None:
        failed(client, serve(reply(status="302 Found", Location=target)).url, redirects=1)


class TestLimits:
    def test_an_answer_over_the_limit_is_refused_and_its_connection_given_up(
        self, client: HttpClient, serve: Serve
    ) -> None:
        server = serve(reply(b"x" * 10_000_000))
        assert failed(client, server.url, max_bytes=9_999_999).sent
        assert failed(client, server.url, max_bytes=1).sent
        assert len(client.request("GET", server.url, max_bytes=10_000_000).body) == 10_000_000
        assert server.connections >= 2

    def test_an_answer_without_a_length_is_read_until_the_limit(self, client: HttpClient, serve: Serve) -> None:
        def endless() -> Iterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\n\r\n"
            while True:
                yield b"x" * 10_000

        server = serve(lambda *_: endless())
        assert "more than 100000 bytes" in str(failed(client, server.url, max_bytes=100_000))

    def test_a_compressed_bomb_does_not_go_off(self, client: HttpClient, serve: Serve) -> None:
        server = serve(reply(gzip.compress(b"\0" * 100_000_000, 9), Content_Encoding="gzip"))
        tracemalloc.start()
        try:
            failed(client, server.url, max_bytes=1_000_000)
            with pytest.raises(requests.ConnectionError):
                client.session().get(server.url, timeout=10)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()

    def test_a_compressed_answer_that_comes_in_pieces_is_read_to_its_end(
        self, client: HttpClient, serve: Serve
    ) -> None:
        def pieces() -> Iterator[bytes]:
            whole = reply(gzip.compress(b"hello"), Content_Encoding="gzip")
            for position in range(0, len(whole), 3):
                yield whole[position : position + 3]
                time.sleep(0.002)

        assert client.request("GET", serve(lambda *_: pieces()).url).body == b"hello"

    def test_an_answer_that_is_cut_short_is_no_answer(self, client: HttpClient, serve: Serve) -> None:
        server = serve(lambda _, connection: connection.sendall(reply(b"x" * 100)[:-10]))
        assert failed(client, server.url).sent


class TestTime:
    def drip(self, server: Server, first: bytes, last: float) -> Iterator[bytes]:
        """`first`, then a byte every twentieth of a second, for `last` seconds."""
        yield first
        until = time.monotonic() + last
        while time.monotonic() < until and not server.stopped.wait(0.05):
            yield b"x"

    @pytest.mark.parametrize(
        "first",
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\nSlow: ", b"HT"],
        ids=["body", "headers", "status"],
    )
    def test_an_answer_that_drips_ends_by_the_deadline(self, client: HttpClient, serve: Serve, first: bytes) -> None:
        server = serve(lambda *_: self.drip(server, first, 3))
        began = time.monotonic()
        assert failed(client, server.url, timeout=0.5).sent
        assert time.monotonic() - began < 1.5

    def test_a_session_ends_a_dripping_answer_by_the_deadline(self, client: HttpClient, serve: Serve) -> None:
        server = serve(lambda *_: self.drip(server, b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", 3))
        began = time.monotonic()
        with pytest.raises(requests.RequestException):
            client.session().get(server.url, timeout=0.5)
        assert time.monotonic() - began < 1.5

    def test_an_answer_that_stops_half_way_ends_by_the_deadline(self, client: HttpClient, serve: Serve) -> None:
        def stalls() -> Iterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nx"
            server.stopped.wait(0.7)
            yield b"x"
            server.stopped.wait(4)

        server = serve(lambda *_: stalls())
        began = time.monotonic()
        assert failed(client, server.url, timeout=1).sent
        assert time.monotonic() - began < 1.4

    def test_no_answer_in_time_says_that_the_request_may_have_been_processed(
        self, client: HttpClient, serve: Serve
    ) -> None:
        server = serve(lambda *_: server.stopped.wait(5) and None)
        error = failed(client, server.url, timeout=0.2)
        assert error.sent
        assert "in time" in str(error)
        with pytest.raises(requests.ReadTimeout):
            client.session().get(server.url, timeout=0.2)


class TestFailures:
    def test_a_refused_connection_was_never_sent(self, client: HttpClient) -> None:
        assert not failed(client, f"http://127.0.0.1:{free_port()}/").sent

    def test_a_name_that_does_not_exist_was_never_sent(self, client: HttpClient) -> None:
        assert not failed(client, "http://nowhere.invalid/").sent

    @pytest.mark.parametrize(
        "url", ["http://[broken", "http://host:port/", "http://", "", "nonsense", f"http://{'a' * 64}.example/"]
    )
    def test_an_address_that_is_none_was_never_sent(self, client: HttpClient, url: str) -> None:
        assert not failed(client, url).sent
        assert not failed(HttpClient(), url.replace("http:", "https:")).sent

    def test_a_connection_reset_after_the_request_may_have_been_processed(
        self, client: HttpClient, serve: Serve
    ) -> None:
        def reset(_: bytes, connection: socket.socket) -> None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        assert failed(client, serve(reset).url, method="POST", json={}).sent

    def test_a_connection_closed_after_the_request_may_have_been_processed(
        self, client: HttpClient, serve: Serve
    ) -> None:
        assert failed(client, serve(lambda *_: None).url, method="POST", json={}).sent

    def test_a_tls_error_after_the_request_may_have_been_processed(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve, tls: tuple[ssl.SSLContext, Path]
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls[1]))
        server = serve(lambda _, connection: os.write(connection.fileno(), b"not TLS at all") and None, tls[0])
        error = failed(HttpClient(allow_private=True), server.url, method="POST", json={})
        assert len(server.requests) == 1
        assert error.sent

    def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(
        self, client: HttpClient, serve: Serve, tls: tuple[ssl.SSLContext, Path]
    ) -> None:
        server = serve(reply(), tls[0])
        assert not failed(client, server.url).sent
        with pytest.raises(requests.RequestException):
            client.session().get(server.url, timeout=5)
        assert server.requests == []

    def test_something_that_is_not_json_is_a_failure_when_json_is_asked_for(
        self, client: HttpClient, serve: Serve
    ) -> None:
        with pytest.raises(HttpFailed, match="not JSON"):
            client.request("GET", serve(reply(b"<html>")).url).json()

    def test_no_error_text_repeats_a_secret(self, client: HttpClient, serve: Serve) -> None:
        closing, large = serve(lambda *_: None), serve(reply(b"x" * 3_000_000))
        endings = [
            closing.url, large.url, f"http://127.0.0.1:{free_port()}", "http://nowhere.invalid", "http://host:port",
            "ftp://host", "http://bad host",
        ]  # fmt: skip
        for address in endings:
            scheme, _, rest = address.partition("://")
            for url in (f"{address}/hunter2?token=hunter2", f"{scheme}://user:hunter2@{rest}/"):
                error = failed(client, url, auth=("user", "hunter2"), headers={"X-Key": "hunter2"})
                assert "hunter2" not in str(error), address
                assert len(str(error).splitlines()) == 1


class TestRequest:
    def test_connections_are_reused(self, client: HttpClient, serve: Serve) -> None:
        server = serve()
        for _ in range(3):
            assert client.request("GET", server.url).text == "ok"
        client.session().get(server.url, timeout=5)
        assert (len(server.requests), server.connections) == (4, 1)

    def test_forms_parameters_and_auth_go_out_as_they_should(self, client: HttpClient, serve: Serve) -> None:
        server = serve()
        form = [("x", "1"), ("x", "é&")]
        client.request("POST", f"{server.url}/a?b=1", params=[("c", "d e")], form=form, auth=("u", "p"))
        (request,) = server.requests
        assert request.startswith(b"POST /a?b=1&c=d+e HTTP/1.1\r\n")
        assert request.endswith(b"\r\n\r\nx=1&x=%C3%A9%26")
        assert b"Authorization: Basic dTpw\r\n" in request


class TestProxy:
    def test_the_environments_proxy_is_used_except_for_hosts_it_excludes(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve
    ) -> None:
        proxy, direct = serve(reply(b"by proxy")), serve(reply(b"direct"))
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        client = HttpClient(allow_private=True)
        assert client.request("GET", "http://far.example/x").text == "by proxy"
        assert client.session().get("http://far.example/y", timeout=5).text == "by proxy"
        assert client.request("GET", direct.url).text == "direct"
        assert [request.split(b"\r\n")[0] for request in proxy.requests] == [
            b"GET http://far.example/x HTTP/1.1", b"GET http://far.example/y HTTP/1.1",
        ]  # fmt: skip

    def test_a_tunnel_is_asked_for_public_hosts_only(self, monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
        proxy = serve(reply(status="502 Bad Gateway"))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for private in ("https://127.0.0.1/", "https://localhost/", "https://[::1]/"):
            assert not failed(HttpClient(), private).sent
        assert proxy.requests == []
        assert not failed(HttpClient(), "https://nowhere.invalid/").sent
        assert proxy.requests[0].startswith(b"CONNECT nowhere.invalid:443 ")
