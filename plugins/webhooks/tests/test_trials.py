"""Test calls: marked as such, readable, without secrets."""

from __future__ import annotations

import json

import hub_webhooks
import pytest

from hub import require_request, require_response
from hub.testing import free_port

SECTIONS = {each.name: each for each in hub_webhooks.register_sections()}
LOG = {"secret": "hidden-0-0123456789-0123456789-0123456789"}
MARK = "Test call of the integration hub"


def tried(bench, name, **settings):
    section = SECTIONS[name]
    given = {"url": bench.url, **(LOG if name == "log" else {}), **settings}
    return section.test(section.settings.model_validate(given), "support", bench.services)


@pytest.mark.parametrize(
    ("name", "event"),
    [("premessage", "message_received"), ("postmessage", "message_processed"), ("log", "message_logged")],
)
def test_a_made_up_message_is_sent_and_shown_also_while_it_is_switched_off(bench, name, event):
    result = tried(bench, name, enabled=False)
    (call,) = bench.double.hooks
    assert call.body["event"]["name"] == event
    assert MARK in json.dumps(call.body["payload"])
    assert result.ok
    assert 0 < result.milliseconds < 5000
    lines = result.request.split("\n")
    assert lines[0] == f"POST {bench.url}"
    assert "Content-Type: application/json" in lines
    assert json.loads(result.request.split("\n\n", 1)[1]) == call.body
    assert result.answer.split("\n", 1)[0] == "200 OK (application/json)"
    assert json.loads(result.answer.split("\n", 1)[1]) == {"payload": {}}


def test_the_samples_are_of_the_right_kind(bench):
    for name in ("premessage", "postmessage", "log"):
        tried(bench, name)
    request, response, log = [call.body["payload"] for call in bench.double.hooks]
    require_request(request)
    require_response(response)
    require_request(log["request"])
    require_response(log["response"])


def test_a_log_for_calls_gets_a_call(bench):
    tried(bench, "log", subscribe=["calls"])
    assert bench.double.hooks[0].body["event"]["name"] == "cdr_logged"


@pytest.mark.parametrize("name", list(SECTIONS))
def test_secrets_are_masked_in_what_is_shown(bench, name):
    def repeat(handler):
        """A webhook that sends back what it was sent, in several spellings."""
        headers = dict(handler.server.calls[-1].headers)
        handler.reply(200, {"payload": {}, "headers": headers, "key": 'hidden-2"', "bare": "hidden-1"})

    headers = {"X-Key": 'hidden-2"', "Content-Type": "application/json"}
    auth = {"type": "bearer", "token": "hidden-1"}
    result = tried(bench.answers(repeat), name, url=f"{bench.url}?key=hidden-3", headers=headers, auth=auth)
    assert result.ok
    assert "hidden" not in f"{result!r}"
    assert "Authorization: ***" in result.request
    assert f"POST {bench.url}?***" in result.request


@pytest.mark.parametrize(
    ("body", "status", "line"),
    [
        (b"<html>\x1b[31mred</html>", 200, "Webhook responded with invalid JSON body"),
        (b"[]", 200, "Error validating webhook response"),
        (b"oops", 500, "Webhook responded with [500] status code"),
    ],
)
def test_a_failure_is_named_above_the_answer(bench, body, status, line):
    result = tried(bench.answers(bench.reply(status, body)), "premessage")
    assert not result.ok
    first, second, rest = result.answer.split("\n", 2)
    assert first == line
    assert second.startswith(str(status))
    assert "\x1b" not in rest


def test_an_answer_that_skips_the_assistant_says_so(bench):
    answer = bench.reply(200, {"output": {"generic": []}}, x_watson_assistant_webhook_return="yes")
    result = tried(bench.answers(answer), "premessage")
    assert result.ok
    assert "skips the assistant" in result.answer


def test_a_long_answer_is_cut(bench):
    result = tried(bench.answers(bench.payload({"a": "x" * 50_000})), "premessage")
    assert 2000 < len(result.answer) < 2200


def test_a_webhook_that_is_not_there(bench):
    result = tried(bench, "log", url=f"http://127.0.0.1:{free_port()}/in")
    assert not result.ok
    assert result.answer.startswith("Processor Exception : [connections to all backends failing] (")


def test_a_token_that_cannot_be_had(bench):
    auth = {
        "type": "oauth2", "grant": "client_credentials", "token_url": f"{bench.double.root}/token",
        "client_id": "c", "client_secret": "hidden",
    }  # fmt: skip
    result = tried(bench, "postmessage", auth=auth)
    assert not result.ok
    assert result.answer.startswith("Webhook authentication failed: ")
    assert "hidden" not in f"{result!r}"
