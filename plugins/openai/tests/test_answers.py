"""What is asked and what is answered, turn by turn."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from chat_endpoint import API_KEY, MODEL, completion
from hub_openai.messages import EMPTY, NO_INPUT

from hub import AssistantFailed, check_response


def contents(bench):
    return [message["content"] for message in bench.last.messages]


def test_a_first_message(bench):
    assert bench.ask("hello") == "you said hello"
    assert bench.last.body == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}],
    }
    assert bench.last.headers["Authorization"] == f"Bearer {API_KEY}"
    assert bench.last.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_what_is_configured_is_sent(bench, name):
    assistant = bench.assistant(
        temperature=0.0,
        max_tokens=50,
        token_parameter=name,
        system_prompt=" ",
        headers={"OpenAI-Organization": "org-1"},
    )
    bench.ask("hello", assistant)
    assert bench.last.body == {
        "model": MODEL, "messages": [{"role": "user", "content": "hello"}], "temperature": 0.0, name: 50,
    }  # fmt: skip
    assert bench.last.headers["OpenAI-Organization"] == "org-1"


def test_without_a_key_none_is_sent(bench):
    bench.double.plan(200, completion("hi"))
    bench.ask("hello", bench.assistant(api_key=None))
    assert "Authorization" not in bench.last.headers


def test_a_header_of_ones_own_replaces_the_key(bench):
    bench.double.plan(200, completion("hi"))
    bench.ask("hello", bench.assistant(headers={"authorization": "Basic eA=="}))
    assert [value for name, value in bench.last.headers.items() if name.lower() == "authorization"] == ["Basic eA=="]


def test_a_model_that_is_not_there(bench):
    with pytest.raises(AssistantFailed, match="model_not_found") as caught:
        bench.ask("hello", bench.assistant(model="model-2"))
    assert (caught.value.code, caught.value.retryable) == ("404", False)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (completion("cut off ", "length"), "cut off …"),
        (completion("half", "content_filter"), "half"),
        (completion(None, refusal="I cannot help with that."), "I cannot help with that."),
        (completion("", refusal="No."), "No."),
        (completion("yes", refusal=None), "yes"),
        (completion("\n<think>he is angry</think>\nHello <think>!"), "Hello <think>!"),
        (completion("a\x00b \ud800"), "ab ?"),
        (completion("two\nlines 🙂"), "two\nlines 🙂"),
    ],
)
def test_answers(bench, body, text):
    bench.double.plan(200, body)
    assert bench.ask() == text
    bench.ask("again")
    assert contents(bench)[1:3] == ["hello", text]


def test_the_response_keeps_the_message_contract(bench):
    answer = bench.assistant().answer(bench.request(), bench.turn())
    assert check_response(answer.response) == []
    assert check_response(bench.assistant().answer(bench.request(), bench.turn("timeout")).response) == []


@pytest.mark.parametrize("text", ["", "  ", None, 7])
def test_an_empty_first_message_is_greeted_without_a_call(bench, text):
    assistant = bench.assistant(greeting="Welcome!")
    assert bench.ask(text, assistant) == "Welcome!"
    assert bench.double.calls == []
    assert bench.ask("hello", assistant) == "you said hello"
    assert contents(bench) == ["Be kind.", EMPTY, "Welcome!", "hello"]
    assert bench.ask("", assistant) == f"you said {EMPTY}"


def test_an_empty_first_message_without_a_greeting_is_for_the_model(bench):
    assert bench.ask("") == f"you said {EMPTY}"


def test_a_first_message_with_text_is_not_greeted(bench):
    assert bench.ask("hello", bench.assistant(greeting="Welcome!")) == "you said hello"


@pytest.mark.parametrize("kind", ["no_input", "skip"])
def test_a_turn_without_a_message_of_the_person(bench, kind):
    bench.ask("hello")
    assert bench.ask("smsNoInputTurn", bench.assistant(greeting="W"), bench.turn(kind)) == f"you said {NO_INPUT}"
    assert contents(bench) == ["Be kind.", "hello", "you said hello", NO_INPUT]
    bench.ask("next")
    assert [message["role"] for message in bench.last.messages] == ["system", *["user", "assistant"] * 2, "user"]


@pytest.mark.parametrize("farewell", ["", "Good bye."])
def test_a_session_that_times_out(bench, farewell):
    bench.ask("hello")
    before = dict(bench.store)
    assert bench.ask("smsResponseTimeout", bench.assistant(farewell=farewell), bench.turn("timeout")) == farewell
    assert len(bench.double.calls) == 1
    assert bench.store == before


def test_a_text_that_utf8_cannot_hold_is_asked_nevertheless(bench):
    assert bench.ask("a\ud800b") == "you said a?b"


def test_the_plugin_brings_no_further_http_client():
    code = "import sys, hub_openai as o; o.register_assistants(); sys.exit(bool({'openai', 'httpx'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0
