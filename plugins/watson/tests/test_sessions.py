"""Sessions, both generations of URLs, stateless use, and the session that has expired."""

from __future__ import annotations

import pytest
from hub_watson import messages, register_assistants

from hub import AssistantFailed


def test_it_registers_one_assistant_type():
    (kind,) = register_assistants()
    assert (kind.name, kind.title) == ("watson", "IBM watsonx Assistant")
    assert hasattr(register_assistants, "hub_impl")


def test_a_first_text_makes_one_session_and_one_message(bench):
    answer = bench.assistant().answer(bench.request("hello"), bench.turn())
    assert [call.path.rsplit("/", 1)[-1] for call in bench.double.calls] == ["token", "sessions", "message"]
    assert bench.double.last("create").body == {}
    assert bench.double.last("message").body["input"] == {
        "message_type": "text",
        "text": "hello",
        "options": {"return_context": True},
    }
    assert answer.response["output"]["generic"][0]["text"] == "you said hello"
    assert answer.response["context"]["global"]["system"]["turn_count"] == 1
    assert answer.response["user_id"] == "u"
    assert answer.session_id in bench.double.sessions


def test_a_later_turn_uses_the_session_of_the_first(bench):
    assistant = bench.assistant()
    first = assistant.answer(bench.request("hello"), bench.turn())
    second = assistant.answer(bench.request("again"), bench.turn(first.session_id, first.response["context"]))
    assert second.session_id == first.session_id
    assert second.response["context"]["global"]["system"]["turn_count"] == 2
    assert (bench.double.count("create"), bench.double.count("message")) == (1, 2)


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        (None, "/v2/assistants/a-1/sessions/{}/message"),
        ("e-1", "/v2/assistants/a-1/environments/e-1/sessions/{}/message"),
    ],
)
def test_both_generations_of_urls(bench, environment, path):
    answer = bench.assistant(environment_id=environment).answer(bench.request(), bench.turn())
    call = bench.double.last("message")
    assert call.path == "/instances/i-1" + path.format(answer.session_id)
    assert call.query == {"version": "2024-08-25"}


def test_options_of_the_host_are_kept_and_its_request_is_not_changed(bench):
    request = bench.request()
    request["input"]["options"] = {"suggestion_only": False, "return_context": False}
    bench.assistant().answer(request, bench.turn())
    assert bench.double.last("message").body["input"]["options"] == {"suggestion_only": False, "return_context": True}
    assert request["input"]["options"]["return_context"] is False


def test_an_expired_session_is_replaced_once_and_gets_what_the_hub_kept(bench):
    stored = {
        "global": {"session_id": "gone", "system": {"turn_count": 4, "locale": "de-de"}},
        "skills": {"main skill": {"user_defined": {"name": "Ann", "topic": "boats"}}},
    }
    request = bench.request("more", skills={"main skill": {"user_defined": {"topic": "cars", "smsMedia": []}}})
    answer = bench.assistant().answer(request, bench.turn("gone", stored))
    assert (bench.double.count("create"), bench.double.count("message")) == (1, 2)
    refused, replayed = [call.body for call in bench.double.calls if call.path.endswith("/message")]
    assert refused["context"] == request["context"]
    assert replayed["input"] == refused["input"]
    assert replayed["context"] == {
        "global": {"system": {"turn_count": 4, "locale": "de-de"}},
        "skills": {"main skill": {"user_defined": {"name": "Ann", "topic": "cars", "smsMedia": []}}},
    }
    assert answer.session_id != "gone"
    assert answer.response["context"]["global"]["session_id"] == answer.session_id
    assert stored["global"]["session_id"] == "gone"


def test_a_second_unknown_session_is_a_failure(bench):
    bench.double.fail("message", lambda handler: handler.reply(404, {"error": "Invalid Session"}), times=2)
    with pytest.raises(AssistantFailed, match="answered 404: Invalid Session") as caught:
        bench.assistant().answer(bench.request(), bench.turn("gone"))
    assert not caught.value.retryable
    assert (bench.double.count("create"), bench.double.count("message")) == (1, 2)


def test_a_fresh_session_that_is_not_found_is_not_replaced(bench):
    bench.double.fail("message", lambda handler: handler.reply(404, {"error": "Invalid Session"}))
    with pytest.raises(AssistantFailed):
        bench.assistant().answer(bench.request(), bench.turn())
    assert bench.double.count("create") == 1


def test_an_unknown_assistant_is_a_failure(bench):
    with pytest.raises(AssistantFailed, match="Resource not found"):
        bench.assistant(assistant_id="other").answer(bench.request(), bench.turn("s"))
    assert bench.double.count("create") == 1


def test_stateless_sends_the_context_back_and_makes_no_session(bench):
    assistant = bench.assistant(stateless=True)
    assert assistant.stateless is True
    first = assistant.answer(bench.request("hello"), bench.turn())
    context = first.response["context"]
    assert first.session_id == context["global"]["session_id"]
    second = assistant.answer({**bench.request("again"), "context": context}, bench.turn(first.session_id, context))
    call = bench.double.last("message")
    assert call.path == "/instances/i-1/v2/assistants/a-1/environments/e-1/message"
    assert call.body["context"] == context
    assert call.body["context"]["global"]["system"]["state"] == "after hello"
    assert second.session_id == first.session_id
    assert second.response["context"]["global"]["system"]["turn_count"] == 2
    assert bench.double.count("create") == 0


def test_stateless_leaves_out_what_only_sessions_know(bench):
    request = bench.request()
    request["input"]["options"] = {"return_context": True}
    bench.assistant(stateless=True, environment_id=None).answer(request, bench.turn())
    assert bench.double.last("message").path == "/instances/i-1/v2/assistants/a-1/message"
    assert "options" not in bench.double.last("message").body["input"]


def test_stateless_never_loses_the_session_id(bench):
    stored = {"global": {"session_id": "s-1"}}
    bench.double.fail("message", lambda handler: handler.reply(200, {"output": {}}))
    answer = bench.assistant(stateless=True).answer(bench.request(kept=1), bench.turn("s-1", stored))
    assert bench.double.last("message").body["context"] == {"kept": 1, "global": {"session_id": "s-1"}}
    assert answer.response["context"] == {"kept": 1, "global": {"session_id": "s-1"}}
    assert answer.session_id == "s-1"


def test_merging_takes_lists_whole_and_leaves_both_sides_alone():
    under, over = {"a": {"b": [1, 2], "c": 3}, "d": {"e": 1}}, {"a": {"b": [9]}, "d": 2}
    assert messages.merged(under, over) == {"a": {"b": [9], "c": 3}, "d": 2}
    assert under == {"a": {"b": [1, 2], "c": 3}, "d": {"e": 1}}


@pytest.mark.parametrize("stateless", [False, True])
def test_check_opens_and_closes_a_session_and_runs_nothing(bench, stateless):
    sentence = bench.assistant(stateless=stateless).check()
    assert sentence.startswith(f"watsonx Assistant at {bench.double.root} knows the assistant")
    assert [bench.double.count(what) for what in ("create", "delete", "message")] == [1, 1, 0]
    assert bench.double.sessions == {}


def test_check_fails_with_the_reason(bench):
    with pytest.raises(AssistantFailed, match="answered 404: Resource not found"):
        bench.assistant(environment_id="other").check()


def test_a_session_that_is_over_is_deleted(bench):
    assistant = bench.assistant()
    first = assistant.answer(bench.request("hello"), bench.turn())
    assistant.end_session(first.session_id)
    assert bench.double.last("delete").path.endswith(f"/sessions/{first.session_id}")
    assert bench.double.sessions == {}
    assistant.end_session(first.session_id)  # the service does not know it any more
    assert bench.double.count("delete") == 2


def test_a_service_that_cannot_end_a_session_is_told_of(bench):
    bench.double.fail("delete", lambda handler: handler.reply(500, {"error": "oops"}))
    with pytest.raises(AssistantFailed):
        bench.assistant().end_session("s")


def test_a_stateless_assistant_has_no_session_to_end(bench):
    bench.assistant(stateless=True).end_session("s")
    assert bench.double.count("delete") == 0


def test_attachments_and_context_pass_as_the_host_gives_them(bench):
    variables = {"smsMedia": [{"mediaURL": "https://e.example/1", "mediaContentType": "image/jpeg"}]}
    request = bench.request("look", skills={"main skill": {"user_defined": variables}})
    request["input"]["attachments"] = [{"url": "https://e.example/1", "media_type": "image/jpeg"}]
    bench.assistant().answer(request, bench.turn())
    sent = bench.double.last("message").body
    assert sent["input"]["attachments"] == request["input"]["attachments"]
    assert sent["context"]["skills"] == request["context"]["skills"]
