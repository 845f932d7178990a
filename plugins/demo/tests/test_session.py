"""What the demo keeps between turns, and what it says to turns without a text."""

from __future__ import annotations

from typing import Any


def user_defined(response: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = response["context"]["skills"]["main skill"]["user_defined"]
    return found


def test_texts_are_counted(talk: Any) -> None:
    talk.say("count")
    assert talk.texts("count") == ["This is your text number 2 in this conversation."]


def test_a_session_remembers(talk: Any) -> None:
    assert "once" in talk.texts("memory")[0]
    assert "2 times" in talk.texts("memory")[0]


def test_a_turn_that_the_command_asked_for_has_the_result(talk: Any) -> None:
    talk.say("moment")
    assert talk.texts("smsNoInputTurn", kind="no_input") == [
        "Here I am again: smsActForceNoInputTurn gave me a turn without a text of yours."
    ]
    assert talk.store == {}


def test_an_empty_turn_is_asked_for_once(talk: Any) -> None:
    assert talk.say("skip")["context"]["global"]["system"] == {"user_id": "u", "skip_user_input": True}
    response = talk.say("", kind="skip")
    assert response["output"]["generic"][0]["text"] == "Done: skip_user_input gave me an empty turn."
    assert "skip_user_input" not in response["context"]["global"]["system"]


def test_a_command_stands_in_the_context_of_one_answer_only(talk: Any) -> None:
    assert user_defined(talk.say("timeout"))["smsAction"] == {
        "command": "setSessionTimeoutCount", "parameters": {"count": "60"},
    }  # fmt: skip
    assert not user_defined(talk.say("count", variables={"smsAction": None}))["smsAction"]


def test_the_prefix_is_set_and_set_back(talk: Any) -> None:
    prefixes = [talk.generic("prefix")[0]["user_defined"]["smsAction"]["parameters"]["prefixText"] for _ in range(3)]
    assert prefixes == ["Text %s for ", "%s. ", "Text %s for "]


def test_a_choice_of_a_list_says_what_was_chosen(talk: Any) -> None:
    (element,) = talk.generic("option")
    chosen = element["options"][2]["value"]["input"]
    assert talk.texts(**chosen) == ["You chose water. To me the hub said: order water."]


def test_a_suggestion_comes_back_with_its_id(talk: Any) -> None:
    (element,) = talk.generic("suggestion")
    chosen = element["suggestions"][1]["value"]["input"]
    assert talk.texts(**chosen) == ["You meant: close an account. With it came back the suggestion_id demo-2."]


def test_a_session_that_timed_out_gets_a_farewell(talk: Any) -> None:
    (said,) = talk.texts("smsResponseTimeout", kind="timeout")
    assert "close our conversation" in said


def test_everything_else_comes_back(talk: Any) -> None:
    assert talk.texts("what now?") == ["You said: what now?"]
    assert talk.texts("") == ["You sent an empty text."]


def test_the_request_is_left_as_it_is_and_its_context_goes_on(talk: Any) -> None:
    assert user_defined(talk.say("count", variables={"mine": 1})) == {"smsMedia": [], "mine": 1}
