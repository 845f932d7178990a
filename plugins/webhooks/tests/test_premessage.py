"""The pre-message webhook: what it gets, what it may change, and how it answers in the assistant's place."""

from __future__ import annotations

import copy

import pytest

from hub import Answer, TurnFailed


def test_105_it_gets_the_whole_request_with_private_numbers(bench, request_body):
    bench.premessage(request_body)
    (call,) = bench.double.hooks
    assert call.path == "/hook"
    assert call.body == {"event": {"name": "message_received"}, "options": {}, "payload": request_body}
    assert call.header("Content-Type") == "application/json"
    assert call.body["payload"]["context"]["integrations"]["text_messaging"]["private"] == {
        "user_phone_number": "+15550000002"
    }
    assert call.header("Authorization") is None


def test_106_a_returned_text_replaces_the_text_alone(bench, request_body):
    before = copy.deepcopy(request_body)
    result = bench.answers(bench.payload({"input": {"text": "hi (in en)"}})).premessage(request_body)
    assert result["input"].pop("text") == "hi (in en)"
    before["input"].pop("text")
    assert result == before


def test_a_full_echo_changes_nothing(bench, request_body):
    request_body["context"]["skills"]["main skill"]["user_defined"]["nothing"] = None
    before = copy.deepcopy(request_body)
    assert bench.answers(bench.echo).premessage(request_body) == before


def test_context_is_added_changed_and_removed(bench, request_body):
    variables = {"tier": None, "language": "es", "smsUserPhoneNumber": ""}
    answer = bench.payload({"context": {"skills": {"main skill": {"user_defined": variables}}}, "user_id": "other"})
    result = bench.answers(answer).premessage(request_body)
    assert result["context"]["skills"]["main skill"]["user_defined"] == {"language": "es", "smsUserPhoneNumber": ""}
    assert result["user_id"] == "other"
    assert result["input"] == request_body["input"]


@pytest.mark.parametrize(("attachments", "left"), [([], []), (None, None)])
def test_126_the_webhook_sees_attachments_and_clears_them(bench, request_body, attachments, left):
    result = bench.answers(bench.payload({"input": {"attachments": attachments}})).premessage(request_body)
    assert len(bench.double.hooks[0].body["payload"]["input"]["attachments"]) == 1
    assert result["input"].get("attachments") == left
    assert result["input"]["text"] == "hi"


def test_what_the_host_gave_is_not_changed(bench, request_body):
    before = copy.deepcopy(request_body)
    bench.answers(bench.payload({"input": {"text": None}, "context": None})).premessage(request_body)
    assert request_body == before


@pytest.mark.parametrize("value", ["true", "yes", "0", ""])
@pytest.mark.parametrize("name", ["x-watson-assistant-webhook-return", "X-Watson-Assistant-Webhook-RETURN"])
def test_the_header_skips_the_assistant(bench, request_body, name, value):
    output = {"generic": [{"response_type": "text", "text": "From the webhook."}]}
    answer = bench.answers(bench.reply(200, {"output": output}, **{name: value})).premessage(request_body)
    assert answer == Answer({"output": output})


def test_a_skipped_answer_may_have_a_payload_around_it(bench, request_body):
    inner = {"output": {"generic": []}, "user_id": "u-2"}
    answer = bench.reply(200, {"event": {}, "payload": inner}, x_watson_assistant_webhook_return="yes")
    assert bench.answers(answer).premessage(request_body) == Answer(inner)


def test_a_skipped_answers_context_is_laid_over_the_stored_one(bench, request_body):
    body = {"output": {"generic": []}, "context": {"skills": {"main skill": {"user_defined": {"seen": True}}}}}
    stored = {"global": {"system": {"turn_count": 4}}, "skills": {"main skill": {"user_defined": {"tier": "gold"}}}}
    bench.answers(bench.reply(200, body, x_watson_assistant_webhook_return="yes"))
    answer = bench.premessage(request_body, {"context": stored})
    assert answer.response["context"] == {
        "global": {"system": {"turn_count": 4}},
        "skills": {"main skill": {"user_defined": {"tier": "gold", "seen": True}}},
    }
    assert stored["skills"]["main skill"]["user_defined"] == {"tier": "gold"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"output": "Hello"}, "Error validating webhook response"),
        ({"output": {"generic": {"text": "Hello"}}}, "Error validating webhook response"),
        ({"output": {"generic": ["Hello"]}}, "Error validating webhook response"),
        ({"output": {"generic": []}, "context": []}, "Error validating webhook response"),
        ({"payload": {"input": {"text": "hi"}}}, "Error validating webhook response"),
        ({}, "Error validating webhook response"),
        (["output"], "Error validating webhook response"),
        (b"garbage", "Webhook responded with invalid JSON body"),
        (b"", "Webhook responded with invalid JSON body"),
    ],
)
def test_a_skipped_answer_that_is_none(bench, request_body, body, sentence):
    bench.answers(bench.reply(200, body, x_watson_assistant_webhook_return="true"))
    with pytest.raises(TurnFailed) as caught:
        bench.premessage(request_body, on_error="fail")
    assert (caught.value.code, str(caught.value)) == ("422", sentence)


def test_the_header_does_not_excuse_a_bad_status(bench, request_body):
    bench.answers(bench.reply(503, {"output": {"generic": []}}, x_watson_assistant_webhook_return="true"))
    with pytest.raises(TurnFailed, match=r"^Webhook responded with \[503\] status code$"):
        bench.premessage(request_body, on_error="fail")


@pytest.mark.parametrize(
    "body",
    [
        {"payload": {"input": "hi"}},
        {"payload": {"input": {"text": {"en": "hi"}}}},
        {"payload": {"input": {"attachments": [{"media_type": "image/png"}]}}},
        {"payload": {"context": "none"}},
        {"payload": ["input"]},
        {"payload": None},
        {"input": {"text": "without payload"}},
        [{"payload": {}}],
        "payload",
        None,
    ],
)
def test_a_result_that_is_no_request_is_not_taken(bench, request_body, body):
    bench.answers(bench.reply(200, body))
    assert bench.premessage(request_body) is None
    with pytest.raises(TurnFailed) as caught:
        bench.premessage(request_body, on_error="fail")
    assert (caught.value.code, str(caught.value)) == ("422", "Error validating webhook response")


def test_what_was_odd_before_is_not_the_webhooks_fault(bench, request_body):
    request_body["context"]["skills"]["odd"] = "of a stateless assistant"
    bench.answers(bench.payload({"input": {"text": "hello"}}))
    assert bench.premessage(request_body)["input"]["text"] == "hello"
    bench.answers(bench.payload({"input": {"text": ["hello"]}}))
    assert bench.premessage(request_body) is None


def test_a_switched_off_or_missing_webhook_is_not_called(bench, request_body):
    assert bench.premessage(request_body, enabled=False) is None
    assert bench.premessage(request_body, {"assistant": "other"}) is not None
    assert len(bench.double.hooks) == 1
