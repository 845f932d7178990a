"""The post-message webhook: what it gets, what it may change, and when it is not called."""

from __future__ import annotations

import copy
import hashlib

import pytest

from hub import TurnFailed

BYE = {"output": {"generic": [{"response_type": "text", "text": "Bye, all."}]}}


def test_116_a_returned_generic_replaces_the_list(bench, response_body):
    before = copy.deepcopy(response_body)
    result = bench.answers(bench.payload(BYE)).postmessage(response_body)
    assert result["output"] == {**BYE["output"], "intents": []}
    assert result["context"] == before["context"]
    assert result["user_id"] == "u-1"
    assert response_body == before


def test_117_it_gets_output_context_session_and_user(bench, response_body):
    bench.postmessage(response_body)
    (call,) = bench.double.hooks
    assert call.body == {"event": {"name": "message_processed"}, "options": {}, "payload": response_body}
    assert call.body["payload"]["context"]["global"]["session_id"] == "s-1"
    assert call.body["payload"]["user_id"] == "u-1"
    assert call.header("Content-Type") == "application/json"


def test_a_full_echo_changes_nothing(bench, response_body):
    before = copy.deepcopy(response_body)
    assert bench.answers(bench.echo).postmessage(response_body) == before


def test_117_what_is_missing_is_shown_and_an_echo_does_not_add_it(bench):
    response = {"output": {"generic": []}, "context": {"skills": {"main skill": {}}}}
    assert bench.answers(bench.echo).postmessage(copy.deepcopy(response)) == response
    sent = bench.double.hooks[0].body["payload"]
    assert sent["context"] == {"skills": {"main skill": {}}, "global": {"session_id": "s-1"}}
    assert sent["user_id"] == hashlib.md5(b"+15550000002").hexdigest()


def test_without_a_context_the_stored_one_is_shown_and_stays(bench):
    stored = {"global": {"system": {"turn_count": 3, "user_id": "u-9"}}}
    response = {"output": {"generic": []}}
    assert bench.answers(bench.echo).postmessage(copy.deepcopy(response), {"context": stored}) == response
    sent = bench.double.hooks[0].body["payload"]
    assert sent["context"]["global"] == {"system": {"turn_count": 3, "user_id": "u-9"}, "session_id": "s-1"}
    assert sent["user_id"] == "u-9"
    assert stored == {"global": {"system": {"turn_count": 3, "user_id": "u-9"}}}


def test_a_change_of_a_context_that_was_only_shown_keeps_the_rest(bench):
    stored = {"skills": {"main skill": {"user_defined": {"tier": "gold"}}}}
    change = {"skills": {"main skill": {"user_defined": {"mood": "good"}}}}
    result = bench.answers(bench.payload({"context": change})).postmessage({"output": {}}, {"context": stored})
    assert result["context"] == {"skills": {"main skill": {"user_defined": {"tier": "gold", "mood": "good"}}}}


def test_an_assistant_without_sessions_has_the_hubs(bench):
    bench.postmessage({"output": {}}, {"session_id": None})
    assert len(bench.double.hooks[0].body["payload"]["context"]["global"]["session_id"]) == 36


def test_context_and_other_output_are_changed(bench, response_body):
    change = {
        "output": {"user_defined": {"footer": "Thanks"}, "intents": None},
        "context": {"global": {"session_id": "mine"}, "skills": {"main skill": {"user_defined": {"tier": None}}}},
        "user_id": "u-2",
    }
    result = bench.answers(bench.payload(change)).postmessage(response_body)
    assert result["output"] == {"generic": response_body["output"]["generic"], "user_defined": {"footer": "Thanks"}}
    assert result["context"]["skills"]["main skill"]["user_defined"] == {"nothing": None}
    assert result["context"]["global"] == {"session_id": "mine", "system": {"turn_count": 2, "user_id": "u-1"}}
    assert result["user_id"] == "u-2"


@pytest.mark.parametrize("generic", [{"text": "x"}, "x", 1, True, ["x"], [None]])
def test_a_generic_that_is_no_list_of_objects_is_refused(bench, response_body, generic):
    bench.answers(bench.payload({"output": {"generic": generic}}))
    assert bench.postmessage(response_body) is None
    with pytest.raises(TurnFailed) as caught:
        bench.postmessage(response_body, on_error="fail")
    assert (caught.value.code, str(caught.value)) == ("422", "Error validating webhook response")


def test_elements_are_not_checked(bench, response_body):
    """IBM lists no validation error here; what cannot be shown is the renderer's business."""
    odd = {"output": {"generic": [{"response_type": "text", "text": 5}, {}]}}
    result = bench.answers(bench.payload(odd)).postmessage(response_body)
    assert result["output"]["generic"] == odd["output"]["generic"]


@pytest.mark.parametrize("change", [{"output": None}, {"output": []}, {"context": "x"}, {"context": []}])
def test_without_its_frame_a_response_is_refused(bench, response_body, change):
    assert bench.answers(bench.payload(change)).postmessage(response_body) is None
    assert bench.failures()[0]["reason"] == "Error validating webhook response"


@pytest.mark.parametrize(("after_skip", "calls"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("who", ["webhooks", "another_plugin"])
def test_after_a_skipped_assistant_it_is_called_only_on_demand(bench, response_body, after_skip, calls, who):
    bench.answers(bench.payload(BYE))
    result = bench.postmessage(response_body, {"answered_by": who}, after_skip=after_skip)
    assert (result is not None) == after_skip
    assert len(bench.double.hooks) == calls


def test_a_switched_off_webhook_is_not_called(bench, response_body):
    assert bench.postmessage(response_body, enabled=False) is None
    assert bench.double.hooks == []
