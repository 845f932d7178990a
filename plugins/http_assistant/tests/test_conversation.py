"""Requests, context and sessions, with and without a context kept by the hub."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
from hub_http_assistant import register_assistants
from hub_http_assistant.messages import session_of, with_session

from hub import AssistantFailed


def test_it_registers_one_assistant_type():
    (kind,) = register_assistants()
    assert (kind.name, kind.title) == ("http_assistant", "HTTP assistant")
    assert hasattr(register_assistants, "hub_impl")


def test_the_request_goes_out_as_the_host_made_it(bench):
    request = bench.request("hello\u00e9", skills={"main skill": {"user_defined": {"smsMedia": []}}})
    request["input"]["attachments"] = [{"url": "https://hub.example/1", "media_type": "image/jpeg"}]
    given = copy.deepcopy(request)
    answer = bench.assistant().answer(request, bench.turn())
    (call,) = bench.double.calls
    assert (call.method, call.path, call.body) == ("POST", "/converse", given)
    assert request == given
    assert answer.response["output"]["generic"][0]["text"] == "turn 1: hello\u00e9"
    assert answer.response["user_id"] == "u"


def test_stateless_the_hub_keeps_the_context(bench):
    assistant = bench.assistant()
    assert assistant.stateless is True
    first = assistant.answer(bench.request("a"), bench.turn())
    context = first.response["context"]
    second = assistant.answer({**bench.request("b"), "context": context}, bench.turn(first.session_id, context))
    assert bench.double.calls[1].body["context"] == context
    assert second.response["output"]["generic"][0]["text"] == "turn 2: b"
    assert second.session_id == first.session_id == context["global"]["session_id"]


@pytest.mark.parametrize("named_in", ["context", "response"])
def test_otherwise_the_assistant_is_sent_its_session_id_only(bench, named_in):
    bench.double.keeps_context, bench.double.names_session = True, named_in
    assistant = bench.assistant(stateless=False)
    assert assistant.stateless is False
    first = assistant.answer(bench.request("a"), bench.turn())
    assert "global" not in bench.double.calls[0].body["context"]
    request = bench.request("b", **{"global": {"system": {"user_id": "u"}}})
    second = assistant.answer(request, bench.turn(first.session_id, first.response["context"]))
    assert bench.double.calls[1].body["context"] == {
        "global": {"system": {"user_id": "u"}, "session_id": first.session_id}
    }
    assert request["context"] == {"global": {"system": {"user_id": "u"}}}
    assert second.response["output"]["generic"][0]["text"] == "turn 2: b"


def test_an_id_given_once_is_kept(bench, faults):
    bench.double.faults.append(faults.reply(200, {"output": {}}))
    assert bench.assistant(stateless=False).answer(bench.request(), bench.turn("s-1")).session_id == "s-1"


def test_an_id_in_the_request_stays():
    request = {"input": {}, "context": {"global": {"session_id": "theirs"}}}
    assert with_session(request, "ours") == request
    assert with_session({"input": {}}, "ours") == {"input": {}, "context": {"global": {"session_id": "ours"}}}
    assert with_session({"input": {}}, None) == {"input": {}}


@pytest.mark.parametrize(
    ("response", "session_id"),
    [
        ({"session_id": "a", "context": {"global": {"session_id": "b"}}}, "a"),
        ({"session_id": 7, "context": {"global": {"session_id": "b"}}}, "b"),
        ({"session_id": "", "context": {"global": []}}, None),
        ({"context": "none"}, None),
        ({}, None),
    ],
)
def test_where_the_session_id_is_looked_for(response, session_id):
    assert session_of(response) == session_id


def test_a_session_that_is_over_needs_no_call(bench):
    bench.assistant(stateless=False).end_session("s")
    assert bench.double.calls == []


@pytest.mark.parametrize("status", [200, 204, 404, 405, 500])
def test_check_runs_no_conversation(bench, faults, status):
    bench.double.faults.append(faults.reply(status, b""))
    assert f"can be reached ({status} to OPTIONS)" in bench.assistant().check()
    assert [call.method for call in bench.double.calls] == ["OPTIONS"]


@pytest.mark.parametrize("status", [401, 403, 502, 503, 504])
def test_check_fails_with_the_reason(bench, faults, status):
    bench.double.faults.append(faults.reply(status, {"error": "not today"}))
    with pytest.raises(AssistantFailed, match=f"answered {status}: not today"):
        bench.assistant().check()


def test_check_sends_the_credentials(bench):
    bench.double.authorized = lambda call: call.header("authorization") == "Bearer t-0123456789"
    assert "(204 to OPTIONS)" in bench.assistant(auth={"type": "bearer", "token": "t-0123456789"}).check()
    with pytest.raises(AssistantFailed):
        bench.assistant().check()


def test_the_smallest_assistant_of_the_readme_answers(bench, faults):
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    program = {"__name__": "smallest"}
    exec(code, program)
    request = bench.request("hello")
    bench.double.faults.append(faults.reply(200, program["app"].test_client().post("/message", json=request).json))
    answer = bench.assistant().answer(request, bench.turn())
    assert answer.response["output"]["generic"] == [{"response_type": "text", "text": "You said: hello"}]
