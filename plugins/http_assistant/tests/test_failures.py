"""What can go wrong between the hub and the assistant: how it is called, and whether asking again can help."""

from __future__ import annotations

import socket
import time
import traceback

import pytest

from hub import AssistantFailed, HttpClient


def failure(bench, timeout=None, **settings):
    with pytest.raises(AssistantFailed) as caught:
        bench.assistant(**settings).answer(bench.request(), bench.turn("s", timeout=timeout))
    return caught.value


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (403, False), (404, False), (408, False), (413, False), (422, False), (429, True), (500, True),
     (502, True), (503, True), (504, True)],
)  # fmt: skip
def test_a_status_decides_whether_to_ask_again(bench, faults, status, retryable):
    bench.double.faults.append(faults.reply(status, {"error": "no"}))
    caught = failure(bench)
    assert str(caught) == f"the assistant at {bench.double.root} answered {status}: no"
    assert (caught.code, caught.retryable) == (str(status), retryable)
    assert len(bench.double.calls) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"errors": [{"message": "first"}], "error": "second"}, "first"),
        ({"error": "second", "message": "third"}, "second"),
        ({"message": "third", "errorMessage": "fourth"}, "third"),
        ({"errorMessage": "fourth"}, "fourth"),
        ({"errors": [], "error": {"not": "text"}, "message": "  two\nlines "}, "two lines"),
        (["a list"], "Internal Server Error"),
        (b"<html>oops</html>", "Internal Server Error"),
        (b"[" * 100_000, "Internal Server Error"),
        ({"error": "x" * 5000}, "x" * 300),
    ],
)
def test_the_reason_is_read_in_the_documented_order(bench, faults, body, text):
    bench.double.faults.append(faults.reply(500, body))
    assert str(failure(bench)).endswith(f" answered 500: {text}")


def test_a_status_nobody_knows_has_no_phrase(bench, faults):
    bench.double.faults.append(faults.reply(599, {}))
    assert "answered 599: no reason given" in str(failure(bench))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ((200, b"<html>login</html>", "text/html; charset=utf-8"), "with something that is not JSON (text/html)"),
        ((200, b"{broken"), "with something that is not JSON (application/json)"),
        ((200, b"[" * 100_000), "with something that is not JSON"),
        ((200, b"\xff\xfe\x00"), "with something that is not JSON"),
        ((200, b""), "with something that is not JSON"),
        ((200, b"null"), "with something that is not JSON"),
        ((200, [1]), "with JSON that is not an object"),
        ((200, "text"), "with JSON that is not an object"),
        ((200, {"context": {}}), "without an output object"),
        ((200, {"output": []}), "without an output object"),
    ],
)
def test_an_answer_that_is_no_answer_is_named(bench, faults, answer, what):
    bench.double.faults.append(faults.reply(*answer))
    caught = failure(bench)
    assert what in str(caught)
    assert (caught.code, caught.retryable) == ("answer", False)


def test_an_answer_over_the_limit_is_named(bench, faults):
    bench.http = HttpClient(allow_private=True, max_bytes=1000)
    bench.double.faults.append(faults.reply(200, {"output": {"generic": ["x" * 2000]}}))
    caught = failure(bench)
    assert "answered more than 1000 bytes" in str(caught)
    assert (caught.code, caught.retryable) == ("answer", False)


@pytest.mark.parametrize("fault", ["reset", "hang_up"])
def test_a_broken_connection_is_worth_one_more_try(bench, faults, fault):
    bench.double.faults.append(getattr(faults, fault))
    caught = failure(bench)
    assert str(caught).startswith(f"the assistant at {bench.double.root} cannot be reached: ")
    assert "Pool" not in str(caught)
    assert (caught.code, caught.retryable) == ("unreachable", True)
    assert len(bench.double.calls) == 1


def test_an_assistant_that_is_not_there_is_worth_one_more_try(bench):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        caught = failure(bench, url=f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert (caught.code, caught.retryable) == ("unreachable", True)
    assert "Connection refused" in str(caught)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_the_time_out_holds_for_the_whole_answer(bench, faults, fault):
    bench.double.faults.append(getattr(faults, fault))
    began = time.monotonic()
    caught = failure(bench, timeout=1)
    assert (caught.code, caught.retryable) == ("timeout", True)
    assert str(caught) == f"the assistant at {bench.double.root} did not answer in time"
    assert time.monotonic() - began < 3


def test_the_time_out_the_assistant_asks_for_replaces_the_configured_one(bench, faults):
    bench.double.faults.append(faults.hang)
    began = time.monotonic()
    with pytest.raises(AssistantFailed) as caught:
        bench.assistant(timeout=60).answer(bench.request(), bench.turn(timeout=0.2))
    assert caught.value.code == "timeout"
    assert time.monotonic() - began < 3


def test_redirects_are_not_followed(bench, faults):
    bench.double.faults.append(faults.reply(307, {}, Location=f"{bench.double.root}/elsewhere"))
    caught = failure(bench)
    assert (caught.code, caught.retryable) == ("307", False)
    assert str(caught).endswith("answered 307; redirects are not followed")
    assert len(bench.double.calls) == 1


def test_private_addresses_and_plain_http_are_the_hubs_to_allow(bench):
    bench.http = HttpClient()
    caught = failure(bench)
    assert "plain http; HUB_ALLOW_PRIVATE_URLS=1 would allow it" in str(caught)
    assert not caught.retryable
    assert "127.0.0.1 is a private address" in str(failure(bench, url="https://127.0.0.1:1/"))
    assert bench.double.calls == []


def test_half_a_surrogate_pair_is_named_and_not_quoted(bench):
    request = bench.request("\ud800 private")
    with pytest.raises(AssistantFailed, match="cannot be written as UTF-8") as caught:
        bench.assistant().answer(request, bench.turn())
    assert (caught.value.code, caught.value.retryable) == ("request", False)
    assert "ud800" not in "".join(traceback.format_exception(caught.value))


SECRET = "key-0123456789-for-tests"
WAYS = {
    "basic": {"type": "basic", "username": "ann", "password": SECRET},
    "bearer": {"type": "bearer", "token": SECRET},
    "api_key": {"type": "api_key", "name": "X-Key", "key": SECRET},
    "jwt": {"type": "jwt", "secret": SECRET * 2},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [401, 500])
def test_no_secret_stands_in_an_error(bench, way, status):
    def shout(handler):
        handler.reply(status, {"error": f"you sent {handler.path} {handler.headers.items()}"})

    bench.double.faults.append(shout)
    given = {
        "url": f"{bench.double.url}?code=code-0123456789",
        "auth": WAYS[way],
        "headers": {"X-Extra": "extra-0123456789"},
    }
    caught = failure(bench, **given)
    settings = bench.settings(**given)
    assert "you sent" in str(caught)
    text = "".join([str(caught), repr(caught), repr(caught.args), *traceback.format_exception(caught)])
    (call,) = bench.double.calls
    for secret in (SECRET, "extra-0123456789", "code-0123456789", (call.header("authorization") or "-").split()[-1]):
        assert secret == "-" or secret not in text
    for secret in (SECRET, "extra-0123456789"):
        assert secret not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
