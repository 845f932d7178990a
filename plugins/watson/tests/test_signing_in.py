"""The four ways of signing in, and the life of an IAM token."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from hub import AssistantFailed


def bearers(double):
    return [call.headers.get("Authorization") for call in double.calls if call.path != "/identity/token"]


def test_two_turns_share_one_token(bench):
    assistant = bench.assistant()
    first = assistant.answer(bench.request(), bench.turn())
    assistant.answer(bench.request(), bench.turn(first.session_id))
    assert bench.double.count("token") == 1
    call = bench.double.last("token")
    assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert call.headers["Accept"] == "application/json"
    assert call.body == {
        "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
        "apikey": bench.settings().api_key.get_secret_value(),
        "response_type": "cloud_iam",
    }
    assert len(set(bearers(bench.double))) == 1
    assert bearers(bench.double)[0].startswith("Bearer ")


def test_many_threads_ask_for_one_token(bench):
    assistant = bench.assistant()

    def slowly(handler):
        Event().wait(0.2)  # all threads have found out by then that there is no token
        handler.reply(*handler.server.token(handler.server.last("token")))

    bench.double.fail("token", slowly)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: assistant.answer(bench.request(str(number)), bench.turn()), range(8)))
    assert bench.double.count("token") == 1
    texts = [answer.response["output"]["generic"][0]["text"] for answer in answers]
    assert texts == [f"you said {number}" for number in range(8)]


def test_a_refused_token_is_replaced_once(bench):
    assistant = bench.assistant()
    session = assistant.answer(bench.request(), bench.turn()).session_id
    bench.double.valid_tokens.clear()
    assert assistant.answer(bench.request(), bench.turn(session)).session_id == session
    assert (bench.double.count("token"), bench.double.count("message"), bench.double.count("create")) == (2, 3, 1)


def test_a_second_refusal_is_a_failure(bench):
    bench.double.authorization = lambda value: False
    with pytest.raises(AssistantFailed, match="answered 401: Unauthorized") as caught:
        bench.assistant().answer(bench.request(), bench.turn("s"))
    assert (caught.value.code, caught.value.retryable) == ("401", False)
    assert (bench.double.count("token"), bench.double.count("message")) == (2, 2)


def test_a_token_near_its_end_is_replaced(bench):
    assistant = bench.assistant()
    bench.double.token_life = (-3595, 5)  # 5 s are left, and 10 s before its end a token counts as dead
    session = assistant.answer(bench.request(), bench.turn()).session_id
    assert bench.double.count("token") == 2
    bench.double.token_life = (0, 3600)
    assistant.answer(bench.request(), bench.turn(session))
    assistant.answer(bench.request(), bench.turn(session))
    assert bench.double.count("token") == 3


def test_a_token_is_renewed_when_most_of_its_life_is_over(bench):
    bench.double.token_life = (-3000, 600)
    bench.assistant().answer(bench.request(), bench.turn())
    assert bench.double.count("token") == 2
    assert len(set(bearers(bench.double))) == 2


def test_a_renewal_ahead_of_time_that_fails_harms_nobody(bench):
    assistant = bench.assistant()
    bench.double.token_life = (-3000, 600)
    bench.double.fail("token", lambda handler: handler.reply(*handler.server.token(bench.double.calls[-1])))
    bench.double.fail("token", lambda handler: handler.reply(503, {}))
    session = assistant.answer(bench.request(), bench.turn()).session_id
    assistant.answer(bench.request(), bench.turn(session))
    assert bench.double.count("token") == 2
    assert len(set(bearers(bench.double))) == 1


def test_a_token_without_claims_lives_as_long_as_iam_says(bench):
    assistant = bench.assistant()
    bench.double.opaque_tokens = True
    session = assistant.answer(bench.request(), bench.turn()).session_id
    assistant.answer(bench.request(), bench.turn(session))
    assert bench.double.count("token") == 1


@pytest.mark.parametrize("answer", [[], {}, {"access_token": 7}, {"access_token": ""}, {"access_token": "opaque"}])
def test_an_answer_of_iam_without_a_token_is_named(bench, answer):
    bench.double.fail("token", lambda handler: handler.reply(200, answer))
    with pytest.raises(AssistantFailed, match=r"without a token that can be used \(transaction tx-42\)"):
        bench.assistant().answer(bench.request(), bench.turn())


def test_a_wrong_key_is_named_and_not_tried_again(bench):
    with pytest.raises(AssistantFailed, match="answered 400: Provided API key") as caught:
        bench.assistant(api_key="wrong-key-987").answer(bench.request(), bench.turn())
    assert (caught.value.code, caught.value.retryable) == ("iam", False)
    assert "wrong-key-987" not in str(caught.value)
    assert bench.double.count("token") == 1


def test_iam_out_of_order_is_worth_one_more_try_at_once(bench):
    assistant = bench.assistant()
    bench.double.fail("token", lambda handler: handler.reply(500, b"<html>", "text/html"))
    with pytest.raises(AssistantFailed, match=r"IAM at .* answered 500: Internal Server Error") as caught:
        assistant.answer(bench.request(), bench.turn())
    assert caught.value.retryable
    assert assistant.answer(bench.request(), bench.turn()).session_id


def test_a_hanging_iam_holds_a_turn_no_longer_than_its_time_out(bench):
    released = Event()
    bench.double.fail("token", lambda handler: released.wait(0.9), times=2)
    assistant = bench.assistant(timeout=0.2)

    def ask(_):
        with pytest.raises(AssistantFailed, match=r"did not answer in time|time-out passed") as caught:
            assistant.answer(bench.request(), bench.turn())
        return caught.value.code, caught.value.retryable

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {("timeout", True)}
    released.set()


def test_a_turn_waits_for_another_turns_token_until_its_own_time_out(bench):
    assistant = bench.assistant(timeout=0.1)
    started = time.monotonic()
    with assistant._client._tokens._fetching, pytest.raises(AssistantFailed, match=r"IAM at .* did not answer in time"):
        assistant.answer(bench.request(), bench.turn())
    assert time.monotonic() - started < 2
    assert bench.double.calls == []


def basic(user, password):
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"auth": "basic", "username": "ann", "password": "pa:ss ä", "api_key": None}, basic("ann", "pa:ss ä")),
        ({"auth": "basic", "api_key": "k-1"}, basic("apikey", "k-1")),
        ({"auth": "basic", "username": "apikey", "api_key": "k-1"}, basic("apikey", "k-1")),
        ({"auth": "bearer", "bearer_token": "t-1"}, "Bearer t-1"),
        ({"auth": "none"}, None),
    ],
)
def test_the_other_ways_ask_no_iam(bench, settings, header):
    bench.double.authorization = lambda value: value == header
    bench.assistant(**settings).answer(bench.request(), bench.turn())
    assert bench.double.count("token") == 0
    assert bearers(bench.double) == [header, header]


def test_a_fixed_token_that_is_refused_is_not_tried_twice(bench):
    bench.double.authorization = lambda value: False
    with pytest.raises(AssistantFailed, match="answered 401"):
        bench.assistant(auth="bearer", bearer_token="t-1").answer(bench.request(), bench.turn())
    assert len(bench.double.calls) == 1


def test_no_cookie_of_one_person_is_sent_for_another(bench):
    assistant = bench.assistant()
    assistant.answer(bench.request(), bench.turn())
    assistant.answer(bench.request(), bench.turn())
    assert not any("Cookie" in call.headers for call in bench.double.calls)


def test_the_sdks_own_configuration_is_not_read(bench, monkeypatch):
    monkeypatch.setenv("ASSISTANT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ASSISTANT_DISABLE_SSL", "true")
    monkeypatch.setenv("ASSISTANT_ENABLE_RETRIES", "true")
    assistant = bench.assistant()
    service = assistant._client._service
    assert service.disable_ssl_verification is False
    assert service.retry_config is None
    assert assistant.answer(bench.request(), bench.turn()).session_id


def test_the_sdk_is_imported_with_the_first_assistant_only():
    code = "import sys, hub_watson; hub_watson.register_assistants(); sys.exit('ibm_watson' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0
