"""The log webhook: which events, which body, which proof."""

from __future__ import annotations

import jwt
import pytest

from hub import LogFailed

SECRET = "secret-for-logs-0123456789-0123456789"


@pytest.mark.parametrize(
    ("subscribe", "name", "called"),
    [
        (None, "message_logged", True),
        (None, "cdr_logged", True),
        (["messages"], "message_logged", True),
        (["messages"], "cdr_logged", False),
        (["calls"], "message_logged", False),
        (["calls"], "cdr_logged", True),
        (None, "something_else", False),
    ],
)
def test_123_only_events_that_are_subscribed_to_are_sent(bench, subscribe, name, called):
    bench.logged(name, secret=SECRET, **({"subscribe": subscribe} if subscribe else {}))
    assert [call.body for call in bench.double.hooks] == (
        [{"event": {"name": name}, "payload": {"log_id": "l-1"}}] if called else []
    )


def test_124_the_payload_is_passed_on_as_the_host_made_it(bench):
    given = {"request": {"context": {"integrations": {"channel": {"name": "SMS"}}}}, "log_id": "l-2"}
    bench.logged(payload=given, secret=SECRET)
    assert bench.double.hooks[0].body["payload"] == given


@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b"\xff"])
@pytest.mark.parametrize("status", [200, 202, 204])
def test_what_a_log_answers_is_not_read(bench, status, answer):
    bench.answers(bench.reply(status, b"" if status == 204 else answer))
    bench.logged(secret=SECRET)
    assert len(bench.double.hooks) == 1


def test_it_is_signed_with_the_secret_as_a_bare_token(bench):
    bench.logged(secret=SECRET)
    token = bench.double.hooks[0].header("Authorization")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims["exp"] > claims["iat"]


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_119_an_authorization_header_of_ones_own_replaces_the_jwt(bench, name):
    bench.logged(secret=SECRET, headers={name: "Bearer mine"})
    assert bench.double.hooks[0].header("Authorization") == "Bearer mine"


def test_auth_replaces_the_jwt(bench):
    bench.logged(secret=SECRET, auth={"type": "api_key", "name": "X-Api-Key", "key": "k-1"})
    assert bench.double.hooks[0].header("X-Api-Key") == "k-1"
    assert bench.double.hooks[0].header("Authorization") is None


def test_a_switched_off_log_is_not_called(bench):
    bench.logged(secret=SECRET, enabled=False)
    assert bench.double.hooks == []


def test_a_token_that_cannot_be_had_is_tried_again_with_the_event(bench):
    bench.double.token = lambda form: (503, {})
    with pytest.raises(LogFailed) as caught:
        bench.logged(
            auth={
                "type": "oauth2",
                "grant": "client_credentials",
                "token_url": f"{bench.double.root}/token",
                "client_id": "c",
                "client_secret": "hidden",
            }
        )
    assert caught.value.retryable
    assert "hidden" not in str(caught.value)
    assert bench.double.hooks == []
