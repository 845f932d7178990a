"""What the endpoint can do wrong, what is reported, and that nothing is told that must not be."""

from __future__ import annotations

import json
import socket
import time
from threading import Event
from typing import Any

import pytest
from chat_endpoint import API_KEY, Bench, Handler, completion, error
from structlog.testing import capture_logs

from hub import AssistantFailed, HttpClient
from hub.testing import free_port

SAID = "my password is swordfish"


def failure(bench: Bench, text: str = SAID, **settings: Any) -> AssistantFailed:
    """The failure of one turn, which leaves no trace in the session and tells no secret."""
    before = json.dumps(bench.store)
    with capture_logs() as logs, pytest.raises(AssistantFailed) as caught:
        bench.ask(text, bench.assistant(headers={"X-Team": "header-secret"}, **settings))
    told = f"{caught.value!r} {logs!r}"
    for secret in (API_KEY, API_KEY[:8], "header-secret", "swordfish"):
        assert secret not in told
    assert json.dumps(bench.store) == before
    assert caught.value.__cause__ is None
    return caught.value


ECHO = f"You said {SAID} with Bearer {API_KEY}"


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable", "part"),
    [
        (400, error(None, message=ECHO), "400", False, "answered 400 (invalid_request_error)"),
        (400, error("context_length_exceeded"), "context_length_exceeded", False, "(context_length_exceeded, "),
        (400, error("content_filter"), "content_filter", False, "(content_filter, "),
        (401, error("invalid_api_key", message=ECHO), "401", False, "invalid_request_error); look at api_key"),
        (403, error(None, "permission"), "403", False, "(permission); look at api_key"),
        (404, error("model_not_found"), "404", False, "look at base_url and model"),
        (404, b"<html>nginx", "404", False, "(Not Found)"),
        (301, b"", "301", False, "(Moved Permanently)"),
        (409, [], "409", False, "(Conflict)"),
        (429, error("rate_limit_exceeded", "tokens"), "429", True, "(rate_limit_exceeded, tokens)"),
        (429, [error("rate_limit_exceeded", "tokens")], "429", True, "(rate_limit_exceeded, tokens)"),
        (500, error(None, "server_error"), "500", True, "(server_error)"),
        (500, {"error": ECHO}, "500", True, "(Internal Server Error)"),
        (500, error(API_KEY, SAID), "500", True, "(Internal Server Error)"),
        (500, error(f"key-{API_KEY}", "x" * 65), "500", True, "(Internal Server Error)"),
        (502, b"<html>", "502", True, "(Bad Gateway)"),
        (503, b"[" * 100_000, "503", True, "(Service Unavailable)"),
        (599, b"", "599", True, "(no reason given)"),
    ],
)
def test_statuses(bench, status, body, code, retryable, part):
    bench.double.plan(status, body)
    caught = failure(bench)
    assert (caught.code, caught.retryable) == (code, retryable)
    assert part in str(caught)
    assert str(caught).startswith("the endpoint at http://127.0.0.1:")
    assert len(bench.double.calls) == 1


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"<html>hello", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "without a choice"),
        ("text", "without a choice"),
        ({}, "without a choice"),
        (error("upstream_failed"), "(upstream_failed, invalid_request_error)"),
        ({"error": ECHO}, "without a choice"),
        ({"choices": []}, "without a choice"),
        ({"choices": {}}, "without a choice"),
        ({"choices": [None]}, "without a choice"),
        ({"choices": [{"message": "text"}]}, "without a choice"),
        ({"choices": [{"message": {}}]}, "without a text"),
        (completion(None), "without a text"),
        (completion(7), "without a text"),
        (completion([{"type": "text", "text": "hi"}]), "without a text"),
        (completion(" \n"), "without a text"),
        (completion("\x00"), "without a text"),
        (completion("<think>he is angry</think>\n"), "without a text"),
        (completion("<think>he is", "length"), "max_tokens"),
        (completion(None, refusal=7), "without a text"),
        (completion("", "length"), "max_tokens"),
        (completion(None, "tool_calls", tool_calls=[]), "without a text"),
    ],
)
def test_answers_that_are_none(bench, body, part):
    bench.double.plan(200, body)
    caught = failure(bench)
    assert (caught.code, caught.retryable) == ("answer", False)
    assert part in str(caught)


@pytest.mark.parametrize("content", ["", None])
def test_an_answer_that_was_filtered_out(bench, content):
    bench.double.plan(200, completion(content, "content_filter"))
    caught = failure(bench)
    assert (caught.code, caught.retryable) == ("content_filter", False)


def test_an_answer_that_is_too_large(bench):
    bench.http = HttpClient(allow_private=True, max_bytes=10_000)
    bench.double.plan(200, completion("x" * 20_000))
    caught = failure(bench)
    assert (caught.code, caught.retryable) == ("answer", False)
    assert "more than 10000 bytes" in str(caught)


def test_a_connection_that_is_refused(bench):
    caught = failure(bench, base_url=f"http://127.0.0.1:{free_port()}/v1")
    assert (caught.code, caught.retryable) == ("connection", True)


def test_an_address_that_is_not_allowed_is_not_tried_again(bench):
    bench.http = HttpClient()
    caught = failure(bench)
    assert (caught.code, caught.retryable) == ("connection", False)
    assert "HUB_ALLOW_PRIVATE_URLS" in str(caught)


def test_a_connection_that_breaks(bench):
    def breaking(handler: Handler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    bench.double.planned.append(breaking)
    caught = failure(bench)
    assert (caught.code, caught.retryable) == ("connection", True)


@pytest.mark.parametrize("own", [False, True])
def test_a_hanging_endpoint_holds_a_turn_no_longer_than_the_time_out(bench, own):
    released = Event()
    bench.double.planned.append(lambda handler: released.wait(20))
    assistant = bench.assistant(timeout=60 if own else 0.5)
    began = time.monotonic()
    with pytest.raises(AssistantFailed, match="did not answer in time") as caught:
        bench.ask("hello", assistant, bench.turn(timeout=0.5 if own else None))
    released.set()
    assert 0.4 < time.monotonic() - began < 5
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)


def test_a_trickling_answer_is_held_to_the_time_out(bench):
    released = Event()

    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not released.wait(0.05):
            handler.wfile.write(b" ")

    bench.double.planned.append(trickle)
    caught = failure(bench, timeout=0.5)
    released.set()
    assert (caught.code, caught.retryable) == ("timeout", True)


class TestTooLong:
    """A conversation that the model cannot take."""

    BODIES = (
        error("context_length_exceeded"),
        error(None, "exceed_context_size_error"),
        {"object": "error", "code": 400, "type": "BadRequestError", "message": "… maximum context length is 9 tokens"},
    )

    @pytest.mark.parametrize("body", BODIES)
    def test_is_asked_again_with_the_newer_half(self, bench, body):
        for text in ("one", "two", "three"):
            bench.ask(text)
        bench.double.plan(400, body)
        assert bench.ask("four") == "you said four"
        assert [message["content"] for message in bench.last.messages] == [
            "Be kind.", "three", "you said three", "four",
        ]  # fmt: skip
        assert len(bench.double.calls) == 5
        bench.ask("five")
        assert [message["content"] for message in bench.last.messages][1::2] == ["three", "four", "five"]

    def test_is_asked_again_once(self, bench):
        bench.ask("one")
        bench.double.plan(400, self.BODIES[0])
        bench.double.plan(400, self.BODIES[0])
        assert failure(bench).code == "context_length_exceeded"
        assert len(bench.double.calls) == 3

    def test_both_requests_share_one_time_out(self, bench):
        bench.ask("one")
        released = Event()

        def slow(handler: Handler) -> None:
            released.wait(0.4)
            handler.reply(400, self.BODIES[0])

        bench.double.planned.extend([slow, lambda handler: released.wait(20)])
        began = time.monotonic()
        assert failure(bench, timeout=0.7).code == "timeout"
        released.set()
        assert time.monotonic() - began < 5


class TestCheck:
    def test_the_model_is_known(self, bench):
        assert "knows the model model-1" in bench.assistant().check()
        assert (bench.last.method, bench.last.path) == ("GET", "/v1/models")

    @pytest.mark.parametrize(
        ("status", "body", "part"),
        [
            (404, b"", "does not list its models"),
            (405, b"", "does not list its models"),
            (200, {}, "does not list its models"),
            (200, {"data": [{"id": "other"}, 7, {}]}, "does not list the model model-1"),
        ],
    )
    def test_reachable(self, bench, status, body, part):
        bench.double.plan(status, body)
        assert part in bench.assistant().check()

    @pytest.mark.parametrize("status", [401, 403, 500])
    def test_refused(self, bench, status):
        bench.double.plan(status, error("invalid_api_key", message=ECHO))
        with pytest.raises(AssistantFailed) as caught:
            bench.assistant().check()
        assert caught.value.code == str(status)
        assert API_KEY not in str(caught.value)

    def test_not_there(self, bench):
        with pytest.raises(AssistantFailed):
            bench.assistant(base_url=f"http://127.0.0.1:{free_port()}").check()
