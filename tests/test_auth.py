"""Authentication of outgoing calls: settings, headers, and OAuth tokens over their whole life."""

from __future__ import annotations

import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from oauth_server import OAuthServer
from pydantic import TypeAdapter, ValidationError

from hub import clock as wall_clock
from hub.auth import AuthenticationFailed, Authenticator, AuthSettings, authorization_url, exchange_code
from hub.errors import ConfigError
from hub.http import HttpClient

SETTINGS: TypeAdapter[Any] = TypeAdapter(AuthSettings)
REDIRECT = "https://hub.example/grant?a=b"
GRANTS: dict[str, dict[str, Any]] = {
    "client_credentials": {"client_id": "client-1", "client_secret": "hidden-1&="},
    "password": {"client_id": "client-1", "client_secret": "hidden-1&=", "username": "änn", "password": "hidden-2+ü"},
    "authorization_code": {
        "client_id": "client-1", "client_secret": "hidden-1&=", "authorize_url": "https://a.example/authorize?x=1",
    },
    "custom": {
        "custom_grant": "custom_apikey", "secrets": {"apikey_secret": "hidden-3"}, "parameters": {"apikey_id": "i d"},
    },
}  # fmt: skip
WIRE = {
    "client_credentials": {"grant_type": "client_credentials"},
    "password": {"grant_type": "password", "username": "änn", "password": "hidden-2+ü"},
    "custom": {"grant_type": "custom_apikey", "apikey_id": "i d", "apikey_secret": "hidden-3"},
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store(dict[str, Any]):
    """A token store; `broken` makes it fail."""

    broken = False

    def get(self, name: str, default: Any = None) -> Any:
        if self.broken:
            raise RuntimeError("no hidden-9 here")
        return super().get(name, default)

    def put(self, name: str, value: dict[str, Any]) -> None:
        if self.broken:
            raise RuntimeError("no hidden-9 here")
        self[name] = value


@cache
def client(allow_private: bool) -> HttpClient:
    return HttpClient(allow_private=allow_private)


@dataclass
class Bench:
    server: OAuthServer
    clock: Clock = field(default_factory=Clock)
    store: Store = field(default_factory=Store)
    http: HttpClient = field(default_factory=lambda: client(True))

    def settings(self, grant: str = "client_credentials", **changes: Any) -> Any:
        values = {"type": "oauth2", "grant": grant, "token_url": self.server.url, **GRANTS.get(grant, {}), **changes}
        return SETTINGS.validate_python({name: value for name, value in values.items() if value is not None})

    def authenticator(self, grant: str = "client_credentials", live: bool = False, **changes: Any) -> Authenticator:
        clock: Callable[[], float] = time.monotonic if live else self.clock
        settings = self.settings(grant, **changes)
        return Authenticator(settings, self.http, name="support.premessage", tokens=self.store, clock=clock)

    def rotating(self) -> None:
        """Each answer brings another refresh token."""
        self.server.script = lambda request: self.server.give(
            request, refresh_token=f"next-{len(self.server.requests)}"
        )

    def grant(self, **answer: Any) -> None:
        """What the command does after a person has granted access."""
        self.server.answers({"access_token": "granted-1", "refresh_token": "renew-1", "expires_in": 3600, **answer})
        settings = self.settings("authorization_code")
        self.store.put("support.premessage", exchange_code(settings, self.http, "code-1", REDIRECT, 5))
        self.server.requests.clear()
        self.server.script = self.server.give


@pytest.fixture
def bench() -> Iterator[Bench]:
    with OAuthServer() as server:
        yield Bench(server)


def token_of(authenticator: Authenticator, timeout: float = 5) -> str:
    return authenticator.headers(timeout)["Authorization"].removeprefix("Bearer ")


def static(values: dict[str, Any]) -> Authenticator:
    return Authenticator(SETTINGS.validate_python(values), client(False), name="n")


# Settings


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        ({"type": "basic", "username": "a:b", "password": "x"}, "username", "colon"),
        ({"type": "basic", "username": "a", "password": "x\n"}, "password", "control"),
        ({"type": "basic", "username": "a", "password": ""}, "password", "at least 1"),
        ({"type": "bearer", "token": "a b"}, "token", "without blanks"),
        ({"type": "bearer", "token": "a\r\nX: y"}, "token", "without blanks"),
        ({"type": "bearer", "token": "x" * 1025}, "token", "at most 1024"),
        ({"type": "api_key", "name": "x key", "key": "k"}, "name", "name of an HTTP header"),
        ({"type": "api_key", "name": "x:", "key": "k"}, "name", "name of an HTTP header"),
        ({"type": "api_key", "name": "Content-Length", "key": "k"}, "name", "belongs to the connection"),
        ({"type": "api_key", "name": "x-api-key", "key": "k\r\nX: y"}, "key", "in one line"),
        ({"type": "api_key", "name": "x-api-key", "key": "schlüssel"}, "key", "ASCII"),
        ({"type": "jwt", "secret": ""}, "secret", "at least 1"),
        ({"type": "jwt", "secret": "x" * 1025}, "secret", "at most 1024"),
        ({"type": "jwt", "secret": "x", "issuer": "me"}, "issuer", "Extra inputs"),
    ],
)
def test_settings_name_what_is_wrong(values: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SETTINGS.validate_python(values)
    (error,) = caught.value.errors()
    assert error["loc"] == (values["type"], path)
    assert message in error["msg"]


@pytest.mark.parametrize(
    ("grant", "changes", "path", "message"),
    [
        ("client_credentials", {"client_secret": None}, "client_secret", "is needed for grant client_credentials"),
        ("client_credentials", {"client_secret": "  "}, "client_secret", "is needed for grant client_credentials"),
        ("client_credentials", {"client_id": None}, "client_id", "is needed for grant client_credentials"),
        ("password", {"username": None}, "username", "is needed for grant password"),
        ("password", {"password": None}, "password", "is needed for grant password"),
        ("authorization_code", {"authorize_url": ""}, "authorize_url", "is needed for grant authorization_code"),
        ("custom", {"custom_grant": None}, "custom_grant", "is needed for grant custom"),
        ("custom", {"client_auth": "basic"}, "client_id", "is needed for client_auth basic"),
        ("custom", {"client_auth": "basic", "client_id": "a:b"}, "client_id", "colon"),
        ("custom", {"parameters": {"apikey_secret": "x"}}, "parameters", "among the secrets already"),
        ("client_credentials", {"token_url": "ftp://a.example"}, "token_url", "https://"),
        ("client_credentials", {"token_url": "https://a.example:99999/"}, "token_url", "https://"),
        ("client_credentials", {"token_url": "https://u:p@a.example/"}, "token_url", "user name"),
        ("client_credentials", {"refresh_url": "https://a.example/a b"}, "refresh_url", "https://"),
        ("client_credentials", {"authorize_url": "javascript:alert(1)"}, "authorize_url", "https://"),
        ("client_credentials", {"header_prefix": "Bearer\r\nX:"}, "header_prefix", "one word"),
        ("client_credentials", {"scope": "ä"}, "scope", "words"),
        ("implicit", {}, "grant", "Input should be"),
    ],
)
def test_oauth_settings_name_what_is_wrong(
    bench: Bench, grant: str, changes: dict[str, Any], path: str, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        bench.settings(grant, **changes)
    (error,) = caught.value.errors()
    assert error["loc"][:2] == ("oauth2", path)
    assert message in error["msg"]
    assert "hidden" not in f"{caught.value!s} {caught.value!r}"


@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "scope"])
@pytest.mark.parametrize("table", ["secrets", "parameters"])
def test_a_table_cannot_hold_what_has_a_setting(bench: Bench, table: str, name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name} has a setting of its own"):
        bench.settings("custom", **{table: {name: "x"}})


def test_every_setting_is_described() -> None:
    for model in SETTINGS.json_schema()["$defs"].values():
        for name, schema in model["properties"].items():
            assert schema.get("title"), name
            assert schema.get("description"), name


@pytest.mark.parametrize("grant", GRANTS)
def test_settings_do_not_show_secrets(bench: Bench, grant: str) -> None:
    settings = bench.settings(grant)
    assert "hidden" not in f"{settings} {settings!r} {settings.model_dump_json()}"


# Headers


@pytest.mark.parametrize(
    ("values", "headers"),
    [
        ({"type": "none"}, {}),
        ({"type": "bearer", "token": " token-1\n"}, {"Authorization": "Bearer token-1"}),
        ({"type": "api_key", "name": "x-api-key", "key": "k 1"}, {"x-api-key": "k 1"}),
        ({"type": "api_key", "name": "Authorization", "key": "Mine 1"}, {"Authorization": "Mine 1"}),
    ],
)
def test_122_plain_headers(values: dict[str, Any], headers: dict[str, str]) -> None:
    authenticator = static(values)
    assert authenticator.headers(1) == headers
    assert authenticator.refused() is False


def test_basic_is_utf_8() -> None:
    authenticator = static({"type": "basic", "username": "änn", "password": "pä:ss"})
    encoded = authenticator.headers(1)["Authorization"].removeprefix("Basic ")
    assert b64decode(encoded).decode() == "änn:pä:ss"
    assert set(authenticator.secrets()) == {"pä:ss", encoded}


@pytest.mark.parametrize("secret", ["s", "secret of more than 32 characters, as it should be", "ä" * 1024])
def test_jwt(secret: str) -> None:
    authenticator = static({"type": "jwt", "secret": secret})
    before = int(time.time())
    first, second = (authenticator.headers(1)["Authorization"] for _ in range(2))
    key = secret if len(secret) >= 32 else None
    claims = jwt.decode(first, key or "", algorithms=["HS256"], options={"verify_signature": key is not None})
    assert jwt.get_unverified_header(first) == {"alg": "HS256", "typ": "JWT"}
    assert set(claims) == {"iss", "iat", "exp", "jti"}
    assert claims["iss"] == "assistant-hub"
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 300
    assert claims["jti"] != jwt.decode(second, options={"verify_signature": False})["jti"]
    assert {secret, second} <= set(authenticator.secrets())
    assert authenticator.refused() is False


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
def test_a_short_secret_signs_like_any_other() -> None:
    token = static({"type": "jwt", "secret": "short"}).headers(1)["Authorization"]
    assert jwt.decode(token, "short", algorithms=["HS256"])["iss"] == "assistant-hub"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, "other", algorithms=["HS256"])


def test_a_key_pair_is_no_shared_secret() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nhidden\n-----END PUBLIC KEY-----"
    with pytest.raises(AuthenticationFailed, match="cannot sign") as caught:
        static({"type": "jwt", "secret": pem}).headers(1)
    assert "hidden" not in repr(caught.value)


# What is sent to the token endpoint


@pytest.mark.parametrize("scope", [None, "a b"])
@pytest.mark.parametrize("client_auth", ["body", "basic"])
@pytest.mark.parametrize("grant", WIRE)
def test_120_wire_form(bench: Bench, grant: str, client_auth: str, scope: str | None) -> None:
    extra = {"client_id": "client-1"} if (grant, client_auth) == ("custom", "basic") else {}
    assert token_of(bench.authenticator(grant, client_auth=client_auth, scope=scope, **extra)) == "access-1"
    (request,) = bench.server.requests
    expected = {**WIRE[grant], **({"scope": scope} if scope else {})}
    authorization = request.headers.get("Authorization")
    if client_auth == "basic":
        secret = "" if grant == "custom" else "hidden-1&="
        assert b64decode(authorization.removeprefix("Basic ")).decode() == f"client-1:{secret}"
    else:
        assert authorization is None
        expected |= {} if grant == "custom" else {"client_id": "client-1", "client_secret": "hidden-1&="}
    assert request.form == expected
    assert (request.method, request.path) == ("POST", "/token")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Accept"] == "application/json"


@pytest.mark.parametrize("client_auth", ["body", "basic"])
@pytest.mark.parametrize("refresh_path", [None, "", "/refresh"])
@pytest.mark.parametrize("spelling", ["refresh_token", "refreshToken"])
@pytest.mark.parametrize("grant", WIRE)
def test_120_renewed_by_refresh_token(
    bench: Bench, grant: str, spelling: str, refresh_path: str | None, client_auth: str
) -> None:
    extra = {"client_id": "client-1"} if grant == "custom" else {}
    refresh_url = f"{bench.server.root}{refresh_path}" if refresh_path else refresh_path
    authenticator = bench.authenticator(grant, refresh_url=refresh_url, client_auth=client_auth, scope="a", **extra)
    bench.server.script = lambda request: bench.server.give(
        request, **{spelling: f"renew-{len(bench.server.requests)}"}
    )
    assert token_of(authenticator) == "access-1"
    bench.clock.now += 3600 - 59
    assert token_of(authenticator) == "access-2"
    bench.clock.now += 3600 - 59
    assert token_of(authenticator) == "access-3"
    client = {"client_id": "client-1"} if client_auth == "body" else {}
    if client_auth == "body" and grant != "custom":
        client["client_secret"] = "hidden-1&="
    # The refresh token rotates: each is used once.
    assert bench.server.forms[1:] == [
        {"grant_type": "refresh_token", "refresh_token": f"renew-{number}", **client} for number in (1, 2)
    ]
    assert [request.path for request in bench.server.requests[1:]] == [refresh_path or "/token"] * 2
    assert bench.store["support.premessage"]["refresh_token"] == "renew-3"


@pytest.mark.parametrize(
    ("prefix", "header"), [("Bearer", "Bearer access-1"), ("Token", "Token access-1"), ("", "access-1")]
)
def test_header_prefix_wins_over_the_token_type(bench: Bench, prefix: str, header: str) -> None:
    bench.server.script = lambda request: bench.server.give(request, token_type="mac")
    assert bench.authenticator(header_prefix=prefix).headers(5) == {"Authorization": header}


# How long a token is used


def test_a_refresh_token_that_is_not_replaced_stays(bench: Bench) -> None:
    first = {"access_token": "a", "refresh_token": "renew-1", "expires_in": 100}
    bench.server.answers(first, {"access_token": "b", "expires_in": 100}, {"access_token": "c"})
    authenticator = bench.authenticator("password")
    for token in "abc":
        assert token_of(authenticator) == token
        bench.clock.now += 100
    assert [form.get("refresh_token") for form in bench.server.forms] == [None, "renew-1", "renew-1"]


@pytest.mark.parametrize(
    ("life", "used_until"),
    [(3600, 3540), ("3600", 3540), (3600.0, 3540), (100, 80), (1, 0.8), (300, 240)],
)
def test_renewed_before_it_ends(bench: Bench, life: Any, used_until: float) -> None:
    bench.server.script = lambda request: bench.server.give(request, expires_in=life)
    authenticator = bench.authenticator()
    assert token_of(authenticator) == "access-1"
    bench.clock.now += used_until - 0.1
    assert token_of(authenticator) == "access-1"
    bench.clock.now += 0.2
    assert token_of(authenticator) == "access-2"


@pytest.mark.parametrize(
    "life", [None, -5, 0, "-5", "soon", "nan", float("inf"), 10**400, True, [3600], {"seconds": 1}, ""]
)
def test_without_a_usable_life_it_is_used_until_refused(bench: Bench, life: Any) -> None:
    bench.server.script = lambda request: bench.server.give(request, expires_in=life)
    authenticator = bench.authenticator()
    assert token_of(authenticator) == "access-1"
    bench.clock.now += 10_000_000
    assert token_of(authenticator) == "access-1"
    assert authenticator.refused() is True
    assert token_of(authenticator) == "access-2"


@pytest.mark.parametrize("grant", WIRE)
@pytest.mark.parametrize("refresh", [None, "renew-1"])
def test_a_refused_token_is_replaced(bench: Bench, grant: str, refresh: str | None) -> None:
    bench.server.script = lambda request: bench.server.give(request, refresh_token=refresh)
    authenticator = bench.authenticator(grant)
    assert token_of(authenticator) == "access-1"
    assert authenticator.refused() is True
    assert token_of(authenticator) == "access-2"
    expected = "refresh_token" if refresh else WIRE[grant]["grant_type"]
    assert bench.server.forms[1]["grant_type"] == expected


def test_a_late_refusal_of_an_old_token_does_not_cost_the_new_one(bench: Bench) -> None:
    authenticator = bench.authenticator()
    with ThreadPoolExecutor(1) as slow:
        assert slow.submit(token_of, authenticator).result() == token_of(authenticator) == "access-1"
        assert authenticator.refused() is True
        assert token_of(authenticator) == "access-2"
        assert slow.submit(authenticator.refused).result() is True
        assert slow.submit(token_of, authenticator).result() == "access-2"
    assert len(bench.server.requests) == 2


def test_a_server_may_give_the_same_token_again(bench: Bench) -> None:
    bench.server.script = lambda request: bench.server.give(request, access_token="same")
    authenticator = bench.authenticator()
    assert token_of(authenticator) == "same"
    assert authenticator.refused() is True
    assert token_of(authenticator) == token_of(authenticator) == "same"
    assert len(bench.server.requests) == 2


@pytest.mark.parametrize(
    "answer", [(400, {"error": "invalid_grant"}), (401, b"expired"), {"error": "bad_refresh_token"}]
)
def test_a_refused_refresh_token_is_followed_by_a_new_grant(bench: Bench, answer: Any) -> None:
    first = {"access_token": "a", "refresh_token": "renew-1", "expires_in": 100}
    bench.server.answers(first, answer, {"access_token": "b", "expires_in": 100})
    authenticator = bench.authenticator("password")
    assert token_of(authenticator) == "a"
    bench.clock.now += 100
    assert token_of(authenticator) == "b"
    assert [form["grant_type"] for form in bench.server.forms] == ["password", "refresh_token", "password"]


@pytest.mark.parametrize("answer", [503, (401, {"error": "invalid_client"}), (429, {})])
def test_a_refresh_that_fails_otherwise_is_no_reason_for_a_new_grant(bench: Bench, answer: Any) -> None:
    first = {"access_token": "a", "refresh_token": "renew-1", "expires_in": 100}
    bench.server.answers(first, answer, {"access_token": "b", "expires_in": 100})
    authenticator = bench.authenticator("password")
    assert token_of(authenticator) == "a"
    bench.clock.now += 100
    with pytest.raises(AuthenticationFailed):
        token_of(authenticator)
    assert token_of(authenticator) == "b"
    assert [form["grant_type"] for form in bench.server.forms] == ["password", "refresh_token", "refresh_token"]


def test_a_renewal_ahead_of_time_may_fail(bench: Bench) -> None:
    bench.server.answers({"access_token": "a", "expires_in": 300}, 503, {"access_token": "b", "expires_in": 300})
    authenticator = bench.authenticator()
    assert token_of(authenticator) == "a"
    bench.clock.now += 250
    assert [token_of(authenticator) for _ in range(3)] == ["a"] * 3
    assert len(bench.server.requests) == 2  # not asked again for 10 seconds
    bench.clock.now += 11
    assert token_of(authenticator) == "b"


# Threads and time


def test_twenty_threads_ask_once(bench: Bench) -> None:
    together = threading.Barrier(20)
    authenticator = bench.authenticator(live=True)

    def one(_number: int) -> str:
        together.wait(20)
        return token_of(authenticator, 20)

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(one, range(20))) == {"access-1"}
    assert len(bench.server.requests) == 1


def test_those_who_waited_share_a_refusal(bench: Bench) -> None:
    waiting = threading.Semaphore(0)
    authenticator = bench.authenticator(live=True)

    def refuse_when_all_wait(_request: Any) -> Any:
        if len(bench.server.requests) == 1:
            assert all(waiting.acquire(timeout=20) for _ in range(20))
            bench.server.released.wait(0.3)  # a thread that has said so is not quite in line yet
        return 400, {"error": "invalid_client"}

    bench.server.script = refuse_when_all_wait

    def one(_number: int) -> str:
        waiting.release()
        with pytest.raises(AuthenticationFailed) as caught:
            token_of(authenticator, 20)
        return str(caught.value)

    with ThreadPoolExecutor(20) as pool:
        sentences = set(pool.map(one, range(20)))
    assert sentences == {"http://127.0.0.1 answered the token request with 400 (invalid_client)"}
    assert len(bench.server.requests) < 5


def test_nobody_waits_longer_than_its_time_out(bench: Bench) -> None:
    bench.server.script = bench.server.hang
    authenticator = bench.authenticator(live=True)

    def timed(timeout: float) -> float:
        start = time.monotonic()
        with pytest.raises(AuthenticationFailed, match="did not answer in time") as caught:
            token_of(authenticator, timeout)
        assert caught.value.retryable
        return time.monotonic() - start

    with ThreadPoolExecutor(4) as pool:
        longest = pool.submit(timed, 2.0)
        bench.server.wait_for(1)
        assert all(seconds < 1.5 for seconds in pool.map(timed, [0.2, 0.3, 0.4]))
        assert not longest.done()
        assert 1.9 < longest.result() < 5
    assert len(bench.server.requests) == 1


def test_a_waiter_with_time_left_tries_itself(bench: Bench) -> None:
    bench.server.script = bench.server.hang
    authenticator = bench.authenticator(live=True)
    with ThreadPoolExecutor(2) as pool:
        short = pool.submit(token_of, authenticator, 0.5)
        bench.server.wait_for(1)
        bench.server.script = bench.server.give
        assert token_of(authenticator, 20) == "access-2"
        with pytest.raises(AuthenticationFailed):
            short.result()


def test_a_token_that_is_due_is_sent_while_another_thread_renews_it(bench: Bench) -> None:
    authenticator = bench.authenticator()
    assert token_of(authenticator) == "access-1"
    bench.clock.now += 3550
    bench.server.script = bench.server.hang
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(token_of, authenticator, 10)
        bench.server.wait_for(2)
        assert token_of(authenticator, 10) == "access-1"
        assert not renewing.done()
        bench.server.released.set()
        assert renewing.result() == "access-1"


# Answers that are none


@pytest.mark.parametrize(
    ("answer", "said", "retryable"),
    [
        (b"", "without an access token", False),
        (b"<html>&access_token=abc&</html>", "without an access token", False),
        (b"access_token=abc&token_type=bearer", "without an access token", False),
        (b'{"access_token": "abc', "without an access token", False),
        (b"\xff\xfe\x00", "without an access token", False),
        (b"[" * 60_000, "without an access token", False),
        ([{"access_token": "abc"}], "without an access token", False),
        ({}, "without an access token", False),
        ({"access_token": None}, "without an access token", False),
        ({"access_token": ""}, "without an access token", False),
        ({"access_token": 5}, "without an access token", False),
        ({"access_token": "abc\r\nX-Admin: 1"}, "without an access token", False),
        ({"access_token": "schlüssel"}, "without an access token", False),
        ({"access_token": "a", "scope": "x" * 70_000}, "more than 65536 bytes", False),
        ({"error": "slow_down"}, "200 (slow_down)", False),
        ((400, {"error": "invalid_scope", "error_description": "hidden-8"}), "400 (invalid_scope)", False),
        ((400, {"error": "hidden-1&="}), "with 400", False),
        ((400, {"error": "no code <b>hidden-8</b>"}), "with 400", False),
        ((400, {"error": {"code": "hidden-8"}}), "with 400", False),
        ((400, {"error": ["hidden-8"]}), "with 400", False),
        ((400, {"error": 5}), "with 400", False),
        ((400, {"error": True}), "with 400", False),
        ((401, b"hidden-8"), "with 401", False),
        ((201, {"access_token": "a", "error": "server_error"}), "201 (server_error)", False),
        ((429, {}), "with 429", True),
        ((500, {"access_token": "abc"}), "with 500", True),
        ((503, b"<html>hidden-8"), "with 503", True),
        ((404, {"access_token": "abc"}), "with 404", False),
    ],
)  # fmt: skip
def test_answers_without_a_token(bench: Bench, answer: Any, said: str, retryable: bool) -> None:
    bench.server.script = lambda _request: answer
    authenticator = bench.authenticator("client_credentials")
    with pytest.raises(AuthenticationFailed) as caught:
        token_of(authenticator)
    assert said in str(caught.value)
    assert str(caught.value).startswith("http://127.0.0.1 answered ")
    assert caught.value.retryable is retryable
    assert "hidden" not in f"{caught.value!s} {caught.value!r} {caught.value.__dict__}"
    assert len(bench.server.requests) == 1


def test_an_error_code_that_repeats_a_secret_is_not_shown(bench: Bench) -> None:
    bench.server.script = lambda request: (400, {"error": request.form["client_secret"]})
    with pytest.raises(AuthenticationFailed, match=r"with 400$"):
        token_of(bench.authenticator(client_secret="looks_like_a_code"))


@pytest.mark.parametrize(
    "odd", [{"scope": 5}, {"scope": ["a"]}, {"token_type": None}, {"refresh_token": 7}, {"error": None}, {"error": ""}]
)
def test_odd_parts_beside_a_token_do_no_harm(bench: Bench, odd: dict[str, Any]) -> None:
    bench.server.script = lambda _request: {"access_token": "abc", "expires_in": 100, **odd}
    assert token_of(bench.authenticator(scope="a b")) == "abc"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/elsewhere", "http://169.254.169.254/latest"])
def test_redirects_are_not_followed(bench: Bench, status: int, target: str) -> None:
    bench.server.script = lambda _request: (status, b"", {"Location": target})
    with pytest.raises(AuthenticationFailed, match=f"with {status}$") as caught:
        token_of(bench.authenticator())
    assert not caught.value.retryable
    assert [request.path for request in bench.server.requests] == ["/token"]


@pytest.mark.parametrize(
    ("url", "said"),
    [("http://127.0.0.1:{port}/token", "plain http"), ("https://127.0.0.1:{port}/token", "private address")],
)
def test_private_and_plain_addresses_need_the_switch(bench: Bench, url: str, said: str) -> None:
    bench.http = client(False)
    token_url = url.format(port=urlsplit(bench.server.url).port)
    with pytest.raises(AuthenticationFailed, match=said) as caught:
        token_of(bench.authenticator(token_url=token_url))
    assert not caught.value.retryable
    assert bench.server.requests == []


def test_a_refresh_url_is_judged_as_well(bench: Bench) -> None:
    bench.server.answers({"access_token": "a", "refresh_token": "renew-1", "expires_in": 100})
    authenticator = bench.authenticator(refresh_url="http://unknown.invalid/refresh")
    token_of(authenticator)
    bench.clock.now += 100
    with pytest.raises(AuthenticationFailed, match=r"http://unknown\.invalid") as caught:
        token_of(authenticator)
    assert "renew-1" not in str(caught.value)
    assert len(bench.server.requests) == 1


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_is_no_call(bench: Bench, timeout: float) -> None:
    with pytest.raises(AuthenticationFailed, match="in time"):
        token_of(bench.authenticator(live=True), timeout)
    assert bench.server.requests == []


def test_secrets_are_the_configured_ones_and_the_tokens(bench: Bench) -> None:
    bench.server.script = lambda request: bench.server.give(request, refresh_token="renew-1")
    authenticator = bench.authenticator("password")
    assert set(authenticator.secrets()) == {"hidden-1&=", "hidden-2+ü"}
    token_of(authenticator)
    assert set(authenticator.secrets()) == {"hidden-1&=", "hidden-2+ü", "access-1", "renew-1"}
    assert set(bench.authenticator("custom").secrets()) == {"hidden-3"}


# Grants of a person, and tokens that outlive the process


@pytest.mark.parametrize(("scope", "expected"), [(None, {}), ("a b", {"scope": "a b"})])
def test_the_authorizing_page(bench: Bench, scope: str | None, expected: dict[str, str]) -> None:
    url = authorization_url(bench.settings("authorization_code", scope=scope), REDIRECT, "state & more")
    assert url.startswith("https://a.example/authorize?x=1&")
    assert dict(parse_qsl(urlsplit(url).query, strict_parsing=True)) == {
        "x": "1", "response_type": "code", "client_id": "client-1", "redirect_uri": REDIRECT, "state": "state & more",
        **expected,
    }  # fmt: skip


@pytest.mark.parametrize("grant", WIRE)
def test_other_grants_have_no_page(bench: Bench, grant: str) -> None:
    with pytest.raises(ConfigError, match="not granted in a browser"):
        authorization_url(bench.settings(grant), REDIRECT, "s")
    with pytest.raises(ConfigError, match="not granted in a browser"):
        exchange_code(bench.settings(grant), bench.http, "code", REDIRECT, 5)


@pytest.mark.parametrize("client_auth", ["body", "basic"])
def test_a_code_is_exchanged(bench: Bench, client_auth: str) -> None:
    settings = bench.settings("authorization_code", client_auth=client_auth, scope="a")
    bench.store.put("support.premessage", exchange_code(settings, bench.http, "code-1", REDIRECT, 5))
    (request,) = bench.server.requests
    client = {"client_id": "client-1", "client_secret": "hidden-1&="} if client_auth == "body" else {}
    assert request.form == {"grant_type": "authorization_code", "code": "code-1", "redirect_uri": REDIRECT, **client}
    assert ("Authorization" in request.headers) is (client_auth == "basic")
    assert token_of(bench.authenticator("authorization_code", client_auth=client_auth, scope="a")) == "access-1"
    assert len(bench.server.requests) == 1


def test_a_refused_code_is_an_error(bench: Bench) -> None:
    bench.server.answers((400, {"error": "invalid_grant"}))
    with pytest.raises(AuthenticationFailed, match="invalid_grant"):
        exchange_code(bench.settings("authorization_code"), bench.http, "code-1", REDIRECT, 5)


@pytest.mark.parametrize("with_store", [True, False])
def test_without_a_grant_there_is_no_token(bench: Bench, with_store: bool) -> None:
    store = bench.store if with_store else None
    authenticator = Authenticator(
        bench.settings("authorization_code"), bench.http, name="support.premessage", tokens=store
    )
    with pytest.raises(AuthenticationFailed) as caught:
        authenticator.headers(5)
    assert str(caught.value) == (
        "support.premessage has not been granted yet: run hub grant support premessage"
    )
    assert not caught.value.retryable
    assert bench.server.requests == []


def test_a_grant_is_seen_by_a_process_that_runs(bench: Bench) -> None:
    authenticator = bench.authenticator("authorization_code")
    with pytest.raises(AuthenticationFailed):
        token_of(authenticator)
    bench.grant()
    assert token_of(authenticator) == "granted-1"


def test_a_stored_token_ages(bench: Bench) -> None:
    bench.grant()
    bench.store["support.premessage"]["obtained_at"] = wall_clock.now().timestamp() - 3590
    bench.server.script = lambda request: bench.server.give(request, refresh_token="renew-2")
    assert token_of(bench.authenticator("authorization_code")) == "access-1"
    assert bench.server.forms[0]["refresh_token"] == "renew-1"
    assert bench.store["support.premessage"]["refresh_token"] == "renew-2"
    assert token_of(bench.authenticator("authorization_code")) == "access-1"  # another process, without a call
    assert len(bench.server.requests) == 1


@pytest.mark.parametrize(
    "change", [{"client_id": "client-2"}, {"scope": "more"}, {"refresh_url": "http://127.0.0.1/r"}]
)
def test_a_grant_belongs_to_what_it_was_given_for(bench: Bench, change: dict[str, Any]) -> None:
    bench.grant()
    with pytest.raises(AuthenticationFailed, match="not been granted yet"):
        token_of(bench.authenticator("authorization_code", **change))
    assert bench.server.requests == []


def test_two_processes_share_a_rotating_refresh_token(bench: Bench) -> None:
    bench.grant()
    bench.rotating()
    one, other = (bench.authenticator("authorization_code") for _ in range(2))
    assert token_of(one) == token_of(other) == "granted-1"
    bench.clock.now += 3600
    assert [token_of(one), token_of(other)] == ["access-1", "access-1"]
    assert len(bench.server.requests) == 1


def test_a_refresh_token_used_up_by_another_process_is_looked_up(bench: Bench) -> None:
    bench.grant()
    authenticator = bench.authenticator("authorization_code")
    token_of(authenticator)
    bench.clock.now += 3600
    kept = bench.store["support.premessage"]

    def lost_race(_request: Any) -> Any:
        now = wall_clock.now().timestamp()
        bench.store["support.premessage"] = {**kept, "access_token": "theirs", "refresh_token": "r", "obtained_at": now}
        return 400, {"error": "invalid_grant"}

    bench.server.script = lost_race
    assert token_of(authenticator) == "theirs"


def test_a_withdrawn_grant_is_said_and_kept(bench: Bench) -> None:
    bench.grant()
    authenticator = bench.authenticator("authorization_code")
    token_of(authenticator)
    bench.clock.now += 3600
    bench.server.script = lambda _request: (400, {"error": "invalid_grant"})
    with pytest.raises(AuthenticationFailed) as caught:
        token_of(authenticator)
    assert "400 (invalid_grant): run hub grant support premessage" in str(caught.value)
    assert bench.store["support.premessage"]["refresh_token"] == "renew-1"


def test_a_grant_without_a_refresh_token_ends(bench: Bench) -> None:
    bench.grant(refresh_token=None)
    authenticator = bench.authenticator("authorization_code")
    assert token_of(authenticator) == "granted-1"
    assert authenticator.refused() is True
    with pytest.raises(AuthenticationFailed, match="cannot be renewed: run hub grant"):
        token_of(authenticator)


def test_other_grants_use_a_stored_refresh_token_after_a_restart(bench: Bench) -> None:
    bench.server.script = lambda request: bench.server.give(request, refresh_token="renew-1", expires_in=None)
    assert token_of(bench.authenticator("password")) == "access-1"
    restarted = bench.authenticator("password")
    assert token_of(restarted) == "access-1"
    assert restarted.refused() is True
    assert token_of(restarted) == "access-2"
    assert [form["grant_type"] for form in bench.server.forms] == ["password", "refresh_token"]


def test_tokens_that_can_be_asked_for_again_are_not_stored(bench: Bench) -> None:
    token_of(bench.authenticator())
    assert bench.store == {}


def test_a_store_that_cannot_be_read_is_a_failure_without_its_text(bench: Bench) -> None:
    bench.store.broken = True
    with pytest.raises(AuthenticationFailed, match="cannot be read") as caught:
        token_of(bench.authenticator())
    assert "hidden" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.retryable


def test_a_store_that_cannot_be_written_does_not_cost_the_token(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = bench.authenticator("password")
    bench.rotating()

    def full(name: str, value: dict[str, Any]) -> None:
        raise OSError("full")

    monkeypatch.setattr(bench.store, "put", full)
    assert token_of(authenticator) == "access-1"
    bench.clock.now += 3600
    assert token_of(authenticator) == "access-2"
    assert bench.server.forms[1]["refresh_token"] == "next-1"
