"""Authentication and headers as they arrive at the assistant."""

from __future__ import annotations

from base64 import b64encode

import jwt
import pytest

from hub import AssistantFailed

SECRET = "secret-0123456789-0123456789-0123"
OAUTH = {"type": "oauth2", "grant": "client_credentials", "client_id": "hub", "client_secret": SECRET}


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"type": "none"}, "authorization", None),
        (
            {"type": "basic", "username": "ann", "password": "p\u00e4ss"},
            "authorization",
            "Basic " + b64encode("ann:p\u00e4ss".encode()).decode(),
        ),
        ({"type": "bearer", "token": SECRET}, "authorization", f"Bearer {SECRET}"),
        ({"type": "api_key", "name": "X-Api-Key", "key": SECRET}, "x-api-key", SECRET),
    ],
)
def test_the_ways_of_signing_in(bench, auth, name, value):
    bench.assistant(auth=auth).answer(bench.request(), bench.turn())
    assert bench.double.calls[0].header(name) == value


def test_a_jwt_is_signed_for_each_call(bench):
    bench.assistant(auth={"type": "jwt", "secret": SECRET}).answer(bench.request(), bench.turn())
    jwt.decode(bench.double.calls[0].header("authorization"), SECRET, algorithms=["HS256"])


def test_headers_go_along_once_and_win_over_authentication(bench):
    bench.assistant(
        auth={"type": "bearer", "token": SECRET},
        headers={"X-Team": "support", "user-agent": "ours", "authorization": "Custom 1", "accept": "application/json"},
    ).answer(bench.request(), bench.turn())
    (call,) = bench.double.calls
    assert call.header("X-Team") == "support"
    assert call.header("User-Agent") == "ours"
    assert call.header("Authorization") == "Custom 1"


def test_one_oauth_token_serves_many_turns_and_a_refused_one_is_replaced_once(bench):
    bench.double.authorized = lambda call: call.header("authorization") == f"Bearer {bench.double.tokens[-1]}"
    assistant = bench.assistant(auth={**OAUTH, "token_url": f"{bench.double.root}/token"})
    assistant.answer(bench.request("a"), bench.turn())
    assistant.answer(bench.request("b"), bench.turn())
    assert (len(bench.double.tokens), len(bench.double.messages)) == (1, 2)
    bench.double.tokens.append("revoked-all-others")
    assistant.answer(bench.request("c"), bench.turn())
    assert (len(bench.double.tokens), len(bench.double.messages)) == (3, 4)


def test_a_second_refusal_is_a_failure(bench):
    bench.double.authorized = lambda call: False
    assistant = bench.assistant(auth={**OAUTH, "token_url": f"{bench.double.root}/token"})
    with pytest.raises(AssistantFailed, match="answered 401: Unauthorized") as caught:
        assistant.answer(bench.request(), bench.turn())
    assert (caught.value.code, caught.value.retryable) == ("401", False)
    assert len(bench.double.messages) == 2


def test_a_fixed_token_that_is_refused_is_not_tried_twice(bench):
    bench.double.authorized = lambda call: False
    with pytest.raises(AssistantFailed, match="answered 401"):
        bench.assistant(auth={"type": "bearer", "token": SECRET}).answer(bench.request(), bench.turn())
    assert len(bench.double.calls) == 1


IN_BROWSER = {**OAUTH, "grant": "authorization_code", "authorize_url": "https://a.example/"}


def test_a_grant_that_nobody_has_given_is_asked_for_by_the_assistants_name(bench):
    assistant = bench.assistant(auth={**IN_BROWSER, "token_url": f"{bench.double.root}/token"})
    with pytest.raises(AssistantFailed, match="support has not been granted yet: run hub grant support") as caught:
        assistant.answer(bench.request(), bench.turn())
    assert (caught.value.code, caught.value.retryable) == ("auth", False)
    assert bench.double.calls == []


def test_check_does_without_a_grant(bench):
    bench.double.authorized = lambda call: False
    auth = {**IN_BROWSER, "token_url": f"{bench.double.root}/token"}
    assert "(401 to OPTIONS without its grant)" in bench.assistant(auth=auth).check()
    assert bench.double.calls[0].header("authorization") is None


def test_a_token_service_that_gives_none_is_named(bench):
    assistant = bench.assistant(auth={**OAUTH, "token_url": f"{bench.double.root}/nothing"})
    with pytest.raises(AssistantFailed, match=f"signing in for the assistant at {bench.double.root} failed") as caught:
        assistant.answer(bench.request(), bench.turn())
    assert caught.value.code == "auth"
    assert SECRET not in str(caught.value)
