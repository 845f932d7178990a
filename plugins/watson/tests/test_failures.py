"""What can go wrong between the hub and the service: how it is called, and whether asking again can help."""

from __future__ import annotations

import socket
import struct
import traceback
from threading import Event

import pytest

from hub import AssistantFailed, HttpClient


def failure(bench, **settings):
    with pytest.raises(AssistantFailed) as caught:
        bench.assistant(**settings).answer(bench.request(), bench.turn("s"))
    return caught.value


def reply(*answer, **headers):
    return lambda handler: handler.reply(*answer, **headers)


def reset(handler):
    """Close with a TCP reset instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hang_up(handler):
    """Close without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (403, False), (413, False), (422, False), (429, True), (500, True), (502, True), (503, True)],
)
def test_a_status_decides_whether_to_ask_again(bench, status, retryable):
    bench.double.fail("message", reply(status, {"error": "no"}))
    caught = failure(bench)
    assert str(caught) == f"watsonx Assistant at {bench.double.root} answered {status}: no (transaction tx-42)"
    assert (caught.code, caught.retryable) == (str(status), retryable)
    assert bench.double.count("message") == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"errors": [{"message": "first"}], "error": "second"}, "first"),
        ({"error": "second", "message": "third"}, "second"),
        ({"message": "third", "errorMessage": "fourth"}, "third"),
        ({"errorMessage": "fourth"}, "fourth"),
        ({"errors": [], "error": {"not": "text"}, "message": "  two\nlines "}, "two lines"),
        ({"code": 500}, "Internal Server Error"),
        (["a list"], "Internal Server Error"),
        (b"<html>oops</html>", "Internal Server Error"),
        ({"error": "x" * 5000}, "x" * 300),
    ],
)
def test_the_reason_is_read_in_the_documented_order(bench, body, text):
    bench.double.fail("message", reply(500, body))
    assert str(failure(bench)).endswith(f" answered 500: {text} (transaction tx-42)")


def test_a_status_nobody_knows_has_no_phrase(bench):
    bench.double.fail("message", reply(599, {}))
    assert "answered 599: no reason given" in str(failure(bench))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ((200, b"<html>login</html>", "text/html; charset=utf-8"), "with text/html instead of JSON"),
        ((200, b"{broken"), "with something that is not JSON"),
        ((200, [1]), "with JSON that is not an object"),
        ((200, {"context": {}}), "without an output object"),
        ((200, {"output": []}), "without an output object"),
        ((200, b""), "without an output object"),
    ],
)
def test_an_answer_that_is_no_answer_is_named(bench, answer, what):
    bench.double.fail("message", reply(*answer))
    caught = failure(bench)
    assert str(caught).endswith(f"{what} (transaction tx-42)")
    assert (caught.code, caught.retryable) == ("answer", False)


@pytest.mark.parametrize("answer", [{}, {"session_id": ""}, {"session_id": 7}])
def test_a_session_without_an_id_is_named(bench, answer):
    bench.double.fail("create", reply(200, answer))
    with pytest.raises(AssistantFailed, match=r"created a session without an id \(transaction tx-42\)"):
        bench.assistant().answer(bench.request(), bench.turn())


def test_an_answer_over_the_limit_is_named(bench):
    bench.http = HttpClient(allow_private=True, max_bytes=1000)
    bench.double.fail("message", reply(200, {"output": {"generic": ["x" * 2000]}}))
    caught = failure(bench)
    assert "answered more than 1000 bytes" in str(caught)
    assert (caught.code, caught.retryable) == ("answer", False)


@pytest.mark.parametrize("fault", [reset, hang_up])
def test_a_broken_connection_is_worth_one_more_try(bench, fault):
    bench.double.fail("message", fault)
    caught = failure(bench)
    assert str(caught).startswith(f"watsonx Assistant at {bench.double.root} cannot be reached: ")
    assert "Pool" not in str(caught)
    assert (caught.code, caught.retryable) == ("connection", True)
    assert bench.double.count("message") == 1


def test_a_service_that_is_not_there_is_worth_one_more_try(bench):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        caught = failure(bench, url=f"http://127.0.0.1:{port}", auth="none")
    assert (caught.code, caught.retryable) == ("connection", True)
    assert "Connection refused" in str(caught)


def test_the_time_out_holds_for_the_whole_answer(bench):
    released = Event()
    bench.double.fail("message", lambda handler: released.wait(0.9))
    caught = failure(bench, timeout=0.2)
    released.set()
    assert (caught.code, caught.retryable) == ("timeout", True)
    assert str(caught) == f"watsonx Assistant at {bench.double.root} did not answer in time"


def test_what_a_new_session_took_is_gone_for_the_message(bench):
    released = Event()

    def slow(handler):
        released.wait(0.3)
        handler.reply(200, {"session_id": "s"})

    bench.double.fail("create", slow)
    bench.double.fail("message", slow)
    with pytest.raises(AssistantFailed) as caught:
        bench.assistant(timeout=0.5, auth="none").answer(bench.request(), bench.turn())
    released.set()
    assert caught.value.code == "timeout"
    assert bench.double.count("message") == 1


def test_redirects_are_not_followed(bench):
    bench.double.fail("message", reply(307, {}, Location=f"{bench.double.root}/elsewhere"))
    assert failure(bench).code == "307"
    assert bench.double.count("message") == 1


def test_private_addresses_and_plain_http_are_the_hubs_to_allow(bench):
    bench.http = HttpClient()
    assert "plain http; HUB_ALLOW_PRIVATE_URLS=1 would allow it" in str(failure(bench, auth="none"))
    assert "127.0.0.1 is a private address" in str(failure(bench, url="https://127.0.0.1:1", auth="none"))
    assert "IAM at " in str(failure(bench))
    assert bench.double.calls == []


SECRETS = {
    "iam": {"api_key": "key-for-tests-0123456789"},
    "basic": {"username": "ann", "password": "pass-0123456789"},
    "bearer": {"bearer_token": "bearer-0123456789"},
}


def shout(status):
    """Answer with everything that came in, as careless proxies do."""

    def fault(handler):
        value = handler.headers.get("Authorization", "")
        handler.reply(status, {"error": f"you sent {value} {handler.server.calls[-1].body}"})

    return fault


@pytest.mark.parametrize("auth", SECRETS)
@pytest.mark.parametrize("fault", [shout(401), shout(500), reset, reply(200, [1]), reply(200, b"<", "text/html")])
def test_no_secret_stands_in_an_error(bench, auth, fault):
    bench.double.authorization = lambda value: True
    bench.double.fail("message", fault, times=2)
    bench.double.fail("token", shout(500)) if fault is reset else None
    settings = bench.settings(auth=auth, **SECRETS[auth])
    caught = failure(bench, auth=auth, **SECRETS[auth])
    sent = [call.headers["Authorization"].split()[-1] for call in bench.double.calls if "Authorization" in call.headers]
    text = "".join([str(caught), repr(caught), repr(caught.args), *traceback.format_exception(caught)])
    for secret in [*SECRETS[auth].values(), *sent]:
        if secret != "ann":
            assert secret not in text
            assert secret not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_the_time_out_a_dialog_asks_for_replaces_the_configured_one(bench):
    released = Event()
    bench.double.fail("message", lambda handler: released.wait(0.9))
    with pytest.raises(AssistantFailed) as caught:
        bench.assistant(timeout=30).answer(bench.request(), bench.turn(timeout=0.2))
    released.set()
    assert caught.value.code == "timeout"
