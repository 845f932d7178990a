"""Everything a webhook can do wrong: the sentence of the contract, and what becomes of the message."""

from __future__ import annotations

import json
import time

import pytest

from hub import HttpClient, LogFailed, TurnFailed
from hub.testing import free_port

INVALID = ("422", "Webhook responded with invalid JSON body")
NOT_VALID = ("422", "Error validating webhook response")
UNREACHABLE = ("500", "Processor Exception : [connections to all backends failing]")


def deep(levels):
    return b'{"payload": ' + b'{"a": ' * levels + b"1" + b"}" * levels + b"}"


def failed(bench, kind, body, **settings):
    """The failure with on_error = "fail", after seeing that "continue" passes over the same one."""
    call = getattr(bench, kind)
    assert call(dict(body), **settings) is None
    (entry,) = bench.failures()
    with pytest.raises(TurnFailed) as caught:
        call(dict(body), on_error="fail", **settings)
    assert (entry["code"], entry["reason"]) == (caught.value.code, str(caught.value))
    assert (entry["assistant"], entry["kind"], entry["log_level"]) == ("support", kind, "warning")
    return caught.value.code, str(caught.value)


@pytest.fixture(params=["premessage", "postmessage"])
def kind(request):
    return request.param


@pytest.fixture
def body(kind, request_body, response_body):
    return request_body if kind == "premessage" else response_body


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 302, 301, 307])
def test_109_110_a_status_that_is_no_2xx(bench, kind, body, status):
    bench.answers(bench.reply(status, {"payload": {"input": {"text": "not taken"}}}))
    assert failed(bench, kind, body) == ("422", f"Webhook responded with [{status}] status code")
    assert len(bench.double.hooks) == 2  # one attempt for each call


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_is_an_answer(bench, kind, body, status):
    bench.answers(bench.reply(status, {"payload": {}}))
    assert getattr(bench, kind)(body) is not None


def test_a_redirect_is_not_followed(bench, kind, body):
    bench.answers(bench.reply(302, b"", Location="http://169.254.169.254/latest/meta-data"))
    assert failed(bench, kind, body) == ("422", "Webhook responded with [302] status code")
    bench.answers(bench.reply(302, b"", Location=f"{bench.double.root}/elsewhere"))
    failing = len(bench.double.calls)
    getattr(bench, kind)(body)
    assert [call.path for call in bench.double.calls[failing:]] == ["/hook"]


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>oops</html>", b"", b"{broken", b'{"payload": {}} and more', b'{"payload": {"input": {"text": "\xff"}}}',
        b'{"payload": {"a": NaN}}', b'{"payload": {"a": 1e999}}', b'{"payload": {"a": "\\ud800"}}', b"\x1f\x8b\x08",
        b'{"payload": {"a": ' + b"9" * 5000 + b"}}", b"[" * 200_000, deep(100_000),
    ],
)  # fmt: skip
def test_111_a_body_that_is_no_json(bench, kind, body, answer):
    bench.answers(bench.reply(200, answer, Content_Type="text/html"))
    assert failed(bench, kind, body) == INVALID


@pytest.mark.parametrize("answer", [b"[]", b"null", b"1", b'"payload"', b"{}", b'{"payload": []}', deep(150)])
def test_json_of_another_form(bench, kind, body, answer):
    bench.answers(bench.reply(200, answer))
    assert failed(bench, kind, body) == NOT_VALID


def test_nobody_listens(bench, kind, body):
    url = f"http://127.0.0.1:{free_port()}/secret-path?key=secret-key"
    assert failed(bench, kind, body, url=url) == UNREACHABLE
    assert "127.0.0.1" in bench.failures()[0]["detail"]
    assert "secret" not in str(bench.captured.entries)


def test_a_host_that_does_not_exist(bench, kind, body):
    assert failed(bench, kind, body, url="https://hook.invalid/in") == UNREACHABLE


def test_a_connection_that_breaks(bench, kind, body):
    bench.answers(bench.hang_up)
    assert failed(bench, kind, body) == UNREACHABLE


def test_something_that_speaks_no_tls(bench, kind, body):
    assert failed(bench, kind, body, url=bench.url.replace("http:", "https:")) == UNREACHABLE


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_webhook_that_takes_too_long(bench, kind, body, how):
    bench.answers(getattr(bench, how))
    began = time.monotonic()
    assert failed(bench, kind, body, timeout=1) == ("422", "Webhook timed out after 1 seconds")
    assert time.monotonic() - began < 5


def test_an_answer_over_the_limit(bench, kind, body):
    bench.answers(bench.payload({"a": "x" * 3_000_000}))
    assert failed(bench, kind, body) == ("422", "Webhook responded with more than 2000000 bytes")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/in", "https://10.0.0.1/in", "https://[::1]/in", "https://169.254.169.254/"]
)
def test_a_private_address_is_refused_and_named(bench, kind, body, url):
    bench.http = HttpClient()
    code, sentence = failed(bench, kind, body, url=url)
    assert code == "500"
    assert sentence.startswith(f"{UNREACHABLE[1]}: ")
    assert "private address; HUB_ALLOW_PRIVATE_URLS=1 would allow it" in sentence


def test_a_message_with_half_a_character(bench, kind, body):
    body = json.loads(json.dumps(body).replace('"u-1"', '"\\ud83d"'))
    code, sentence = failed(bench, kind, body)
    assert (code, sentence) == ("500", "The message cannot be written as UTF-8 for the webhook")
    assert bench.double.hooks == []


def test_neither_bodies_nor_secrets_are_logged(bench, kind, body):
    answer = json.dumps({"payload": {"input": {"text": ["private-answer"]}, "output": {"generic": "private-answer"}}})
    hidden = {"headers": {"X-Key": "hidden-1"}, "auth": {"type": "bearer", "token": "hidden-2"}}
    for answering in (
        bench.reply(200, answer.encode()),
        bench.reply(500, b"hidden-1 hidden-2 private-answer"),
        bench.reply(200, b"hidden-1 hidden-2 private-answer"),
        bench.hang_up,
    ):
        bench.answers(answering)
        with pytest.raises(TurnFailed) as caught:
            getattr(bench, kind)(body, on_error="fail", **hidden)
        shown = f"{caught.value!r} {caught.value.__context__} {bench.captured.entries}"
        assert "hidden" not in shown
        assert "private-answer" not in shown
        assert "+15550000002" not in shown
    assert len(bench.failures()) == 4


# --- log webhook


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(429, True), (500, True), (502, True), (503, True), (400, False), (401, False), (404, False), (302, False)],
)
def test_123_a_logs_status_decides_about_another_attempt(bench, status, retryable):
    bench.answers(bench.reply(status, b""))
    with pytest.raises(LogFailed) as caught:
        bench.logged(secret="s" * 32)
    assert caught.value.retryable is retryable
    assert str(caught.value) == f"Webhook responded with [{status}] status code"
    assert len(bench.double.hooks) == 1


def test_123_a_log_that_is_down_is_tried_again(bench):
    with pytest.raises(LogFailed) as caught:
        bench.logged(url=f"http://127.0.0.1:{free_port()}/secret-path", secret="s" * 32)
    assert caught.value.retryable
    assert "secret-path" not in str(caught.value)


@pytest.mark.parametrize("how", ["hang", "hang_up"])
def test_123_a_log_that_hangs_or_breaks_off_is_tried_again(bench, how):
    bench.answers(getattr(bench, how))
    with pytest.raises(LogFailed) as caught:
        bench.logged(secret="s" * 32, timeout=1)
    assert caught.value.retryable


def test_a_log_at_a_private_address_is_named(bench):
    bench.http = HttpClient()
    with pytest.raises(LogFailed, match="private address"):
        bench.logged(url="https://127.0.0.1/in", secret="s" * 32)


def test_a_log_whose_name_cannot_be_resolved_right_now_is_tried_again(bench):
    bench.http = HttpClient()
    with pytest.raises(LogFailed, match="cannot be resolved") as caught:
        bench.logged(url="https://hook.invalid/in", secret="s" * 32)
    assert caught.value.retryable
