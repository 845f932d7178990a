"""Every kind of authentication as the webhook sees it, and what a custom header does to it."""

from __future__ import annotations

import itertools
from base64 import b64encode

import jwt
import pytest
from hub_webhooks.calls import Authenticators, authentication_name
from hub_webhooks.settings import PremessageSettings

from hub import TurnFailed

BASIC = f"Basic {b64encode(b'ann:pass-1').decode()}"
SECRET = "secret-for-webhooks-0123456789-012345"


def oauth(bench, **changes):
    return {
        "type": "oauth2", "grant": "client_credentials", "token_url": f"{bench.double.root}/token",
        "client_id": "client-1", "client_secret": "client-secret-1", **changes,
    }  # fmt: skip


@pytest.fixture
def tokens(bench):
    """A token service that gives access-1, access-2 … for an hour each."""
    count = itertools.count(1)

    def token(form):
        number = next(count)
        return 200, {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600}

    bench.double.token = token


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"type": "none"}, "Authorization", None),
        ({"type": "basic", "username": "ann", "password": "pass-1"}, "Authorization", BASIC),
        ({"type": "bearer", "token": "token-1"}, "Authorization", "Bearer token-1"),
        ({"type": "api_key", "name": "x-api-key", "key": "key-1"}, "x-api-key", "key-1"),
    ],
)
def test_122_what_is_sent(bench, request_body, response_body, auth, name, value):
    bench.premessage(request_body, auth=auth)
    bench.postmessage(response_body, auth=auth)
    assert [call.header(name) for call in bench.double.hooks] == [value, value]


def test_a_signed_jwt_is_sent_bare_and_anew_each_time(bench, request_body):
    auth = {"type": "jwt", "secret": SECRET}
    bench.premessage(request_body, auth=auth)
    bench.premessage(request_body, auth=auth)
    claims = [jwt.decode(call.header("Authorization"), SECRET, algorithms=["HS256"]) for call in bench.double.hooks]
    assert claims[0]["iss"] == "assistant-hub"
    assert claims[0]["jti"] != claims[1]["jti"]


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "basic", "username": "ann", "password": "pass-1"},
        {"type": "bearer", "token": "token-1"},
        {"type": "jwt", "secret": SECRET},
        "oauth2",
    ],
)
def test_a_custom_authorization_header_wins(bench, request_body, auth):
    auth = oauth(bench) if auth == "oauth2" else auth
    assert bench.premessage(request_body, auth=auth, headers={"authorization": "Mine"}) is not None
    assert bench.double.hooks[0].header("Authorization") == "Mine"
    assert bench.double.tokens == []  # a token that nobody would see is not asked for


def test_a_custom_header_with_the_name_of_the_api_key_wins(bench, request_body):
    auth = {"type": "api_key", "name": "X-Api-Key", "key": "key-1"}
    bench.premessage(request_body, auth=auth, headers={"x-api-key": "mine"})
    assert bench.double.hooks[0].header("x-api-key") == "mine"


def test_custom_headers_are_sent_once_each(bench, request_body):
    headers = {
        "X-Team": "support",
        "content-type": "application/json; charset=utf-8",
        "user-agent": "mine",
        "accept": "*/*",
    }
    bench.premessage(request_body, headers=headers, auth={"type": "bearer", "token": "token-1"})
    (call,) = bench.double.hooks
    assert {name: call.header(name) for name in headers} == headers
    assert call.header("Authorization") == "Bearer token-1"


def test_120_one_oauth_token_serves_many_calls(bench, request_body, response_body, tokens):
    for _ in range(3):
        bench.premessage(request_body, auth=oauth(bench, scope="a b"))
    assert [call.header("Authorization") for call in bench.double.hooks] == ["Bearer access-1"] * 3
    (call,) = bench.double.tokens
    assert call.header("Content-Type") == "application/x-www-form-urlencoded"
    assert call.body.items() >= {
        "grant_type": "client_credentials", "client_id": "client-1", "client_secret": "client-secret-1",
    }.items()  # fmt: skip


def test_120_a_token_that_is_over_is_renewed_with_its_refresh_token(bench, request_body):
    count = itertools.count(1)

    def token(form):
        number = next(count)
        lives = 0.000001 if number == 1 else 3600
        return 200, {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": lives}

    bench.double.token = token
    for _ in range(3):
        assert bench.premessage(request_body, auth=oauth(bench)) is not None
    assert [call.header("Authorization") for call in bench.double.hooks] == [
        "Bearer access-1", "Bearer access-2", "Bearer access-2",
    ]  # fmt: skip
    first, second = [call.body for call in bench.double.tokens]
    assert first["grant_type"] == "client_credentials"
    assert second.items() >= {"grant_type": "refresh_token", "refresh_token": "refresh-1"}.items()


@pytest.mark.parametrize(
    ("changes", "form", "basic"),
    [
        ({"client_auth": "basic"}, {"grant_type": "client_credentials"}, "client-1:client-secret-1"),
        (
            {"grant": "password", "username": "ann", "password": "pass-1"},
            {"grant_type": "password", "username": "ann", "password": "pass-1", "client_id": "client-1"},
            None,
        ),
        (
            {"grant": "custom", "custom_grant": "custom_apikey", "secrets": {"apikey_secret": "x"}},
            {"grant_type": "custom_apikey", "apikey_secret": "x"},
            None,
        ),
    ],
)
def test_the_other_grants(bench, request_body, tokens, changes, form, basic):
    bench.premessage(request_body, auth=oauth(bench, header_prefix="Token", **changes))
    (call,) = bench.double.tokens
    assert call.body.items() >= form.items()
    assert call.header("Authorization") == (basic and f"Basic {b64encode(basic.encode()).decode()}")
    assert bench.double.hooks[0].header("Authorization") == "Token access-1"


def test_a_grant_that_nobody_has_given_yet_names_its_webhook(bench, request_body):
    auth = oauth(bench, grant="authorization_code", authorize_url="https://login.example/authorize")
    with pytest.raises(TurnFailed, match=r"^Webhook authentication failed: support\.premessage has not been granted"):
        bench.premessage(request_body, auth=auth, on_error="fail")
    assert bench.double.calls == []


def test_120_a_token_the_webhook_refuses_is_renewed_once(bench, request_body, tokens):
    auth = oauth(bench)
    bench.premessage(request_body, auth=auth)
    bench.double.planned.append(bench.reply(401, b""))
    assert bench.premessage(request_body, auth=auth) is not None
    assert [call.header("Authorization") for call in bench.double.hooks] == [
        "Bearer access-1", "Bearer access-1", "Bearer access-2",
    ]  # fmt: skip
    assert bench.double.tokens[1].body["grant_type"] == "refresh_token"


def test_a_second_401_is_a_failure(bench, request_body, tokens):
    bench.answers(bench.reply(401, b""))
    with pytest.raises(TurnFailed, match=r"^Webhook responded with \[401\] status code$"):
        bench.premessage(request_body, auth=oauth(bench), on_error="fail")
    assert len(bench.double.hooks) == 2


@pytest.mark.parametrize(
    "auth", [{"type": "none"}, {"type": "bearer", "token": "token-1"}, {"type": "jwt", "secret": SECRET}]
)
def test_401_without_a_token_that_can_be_renewed_is_final(bench, request_body, auth):
    bench.answers(bench.reply(401, b""))
    assert bench.premessage(request_body, auth=auth) is None
    assert len(bench.double.hooks) == 1


def test_a_token_service_that_fails_takes_the_path_of_on_error(bench, request_body):
    bench.double.token = lambda form: (400, {"error": "invalid_client", "hint": form["client_secret"]})
    assert bench.premessage(request_body, auth=oauth(bench)) is None
    with pytest.raises(TurnFailed, match=r"^Webhook authentication failed: ") as caught:
        bench.premessage(request_body, auth=oauth(bench), on_error="fail")
    assert caught.value.code == "422"
    assert bench.double.hooks == []
    assert "client-secret-1" not in f"{caught.value!r} {bench.captured.entries}"


def test_signing_in_counts_towards_the_time_out(bench, request_body):
    def token(form):
        bench.double.released.wait(20)
        return 500, {}

    bench.double.token = token
    with pytest.raises(TurnFailed, match=r"^Webhook timed out after 1 seconds$"):
        bench.premessage(request_body, auth=oauth(bench), timeout=1, on_error="fail")


def test_two_assistants_have_tokens_of_their_own(bench, request_body, tokens):
    for assistant in ("support", "sales"):
        bench.premessage(request_body, {"assistant": assistant}, auth=oauth(bench))
    assert [call.header("Authorization") for call in bench.double.hooks] == ["Bearer access-1", "Bearer access-2"]


def test_authenticators_are_kept_by_name_settings_and_client_and_bounded(bench):
    def auth(token):
        return PremessageSettings.model_validate(
            {"url": "https://x", "auth": {"type": "bearer", "token": token}}
        ).signs_with

    kept, services = Authenticators(most=2), bench.services
    name = authentication_name("support", "premessage")
    first = kept.of(name, auth("a"), services)
    assert kept.of(name, auth("a"), services) is first
    changed = kept.of(name, auth("b"), services)
    assert changed is not first
    assert kept.of("other", auth("b"), services) is not changed
    assert kept.of(name, auth("b"), services) is changed
    kept.of("third", auth("b"), services)
    assert kept.of(name, auth("b"), services) is changed  # used last, so "other" had to go
