"""The menu shows every response type and every command, and each of its answers has the contract's form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_demo.entries import Entry
from hub_demo.menu import ENTRIES, MENU, find

from hub import AssistantFailed

REQUIRED: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "image": {"source": str},
    "audio": {"source": str},
    "video": {"source": str},
    "iframe": {"source": str},
    "option": {"title": str, "options": list},
    "suggestion": {"title": str, "suggestions": list},
    "pause": {"time": int},
    "connect_to_agent": {},
    "channel_transfer": {"message_to_user": str, "transfer_info": dict},
    "search": {"header": str},
    "conversation_search": {"text": str, "citations_title": str, "citations": list},
    "user_defined": {"user_defined": dict},
    "date": {},
    "end_session": {},
    "dtmf": {"command_info": dict},
    "speech_to_text": {"command_info": dict},
    "text_to_speech": {"command_info": dict},
    "start_activities": {"activities": list},
    "stop_activities": {"activities": list},
    "button": {"label": str, "button_type": str},
    "card": {"body": list},
    "carousel": {"items": list},
    "grid": {"rows": list},
    "table": {"headers": list, "rows": list},
}
"""Every response type an assistant answers with, and what each must have (message contract, response types)."""

COMMANDS = {
    "terminateSession",
    "smsActSendMedia",
    "smsActSetOptionsConfig",
    "smsActForceNoInputTurn",
    "setSessionTimeoutCount",
}
CHANNELS = {"chat", "voice_telephony", "text_messaging", "slack", "facebook", "whatsapp"}
WORDS = [entry.word for entry in MENU if entry.word != "failure"]


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a response, those below others included."""
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(below)


def elements(response: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in walk(response["output"]) if "response_type" in each]


def check(element: dict[str, Any]) -> None:
    kind = element["response_type"]
    for name, wanted in REQUIRED.get(kind, {}).items():
        assert isinstance(element.get(name), wanted) or (kind, name) == ("text", "text"), f"{kind}.{name}"
    if kind == "text" and "text" not in element:
        assert all(isinstance(value["text"], str) for value in element["values"])
    if kind in ("option", "suggestion"):
        entries = element["options" if kind == "option" else "suggestions"]
        assert entries
        assert all(each["label"] and each["value"]["input"]["text"] for each in entries)
    if kind in ("image", "audio", "video"):
        assert element["source"].startswith("https://hub.example/media/")
    if kind == "table":
        assert all(len(row["cells"]) == len(element["headers"]) for row in element["rows"])
    if "channels" in element:
        assert {each["channel"] for each in element["channels"]} <= CHANNELS


@pytest.mark.parametrize("word", WORDS)
def test_an_answer_has_the_contracts_form(talk: Any, word: str) -> None:
    response = talk.say(word)
    assert set(response) == {"output", "context"}
    assert response["output"].get("generic") or response["output"]["text"]
    for element in elements(response):
        check(element)


@pytest.mark.parametrize("word", WORDS)
def test_an_answer_leaves_the_person_with_words(talk: Any, word: str) -> None:
    output = talk.say(word)["output"]
    shown = [
        element for element in output.get("generic", [])
        if {"text", "values", "title", "header", "message_to_user"} & element.keys() and "channels" not in element
    ]  # fmt: skip
    assert shown or output["text"]


def test_every_response_type_is_in_the_menu(talks: Callable[[], Any]) -> None:
    shown = {element["response_type"] for word in WORDS for element in elements(talks().say(word))}
    assert shown >= set(REQUIRED)
    assert len(shown - set(REQUIRED)) == 1  # the type nobody knows


def test_every_command_is_in_the_menu(talks: Callable[[], Any]) -> None:
    actions = [found["smsAction"] for word in WORDS for found in walk(talks().say(word)) if found.get("smsAction")]
    assert {action["command"] for action in actions} == COMMANDS


def test_both_forms_of_a_search_are_shown(talk: Any) -> None:
    forms = [set(element) for element in talk.generic("search") if element["response_type"] == "search"]
    assert any("results" in form for form in forms)
    assert any({"primary_results", "additional_results"} <= form for form in forms)


@pytest.mark.parametrize("word", ["hello", "Hi!", "help", "menu", "What can you do?"])
def test_the_menu_is_a_list_of_everything(talk: Any, word: str) -> None:
    (element,) = talk.generic(word)
    assert element["response_type"] == "option"
    assert [option["label"] for option in element["options"]] == [entry.title for entry in MENU]
    assert [option["value"]["input"]["text"] for option in element["options"]] == [entry.word for entry in MENU]


def test_a_number_of_the_menu_is_good_at_any_time() -> None:
    assert find("1") is MENU[0]
    assert find(f" {len(MENU)}. ") is MENU[-1]
    assert find("0") is find(str(len(MENU) + 1)) is find("²") is None


def test_no_two_entries_have_a_word_in_common() -> None:
    words = [word for entry in ENTRIES for word in (entry.word, *entry.also)]
    assert len(words) == len(set(words))
    assert all(word == word.lower().strip(" .!?") for word in words)


def test_the_menu_fits_into_one_message(talk: Any) -> None:
    (element,) = talk.generic("menu")
    lines = [element["title"], *(f"{number}. {each['label']}" for number, each in enumerate(element["options"], 1))]
    assert len("\n".join(lines)) <= 1600
    assert "\n".join(lines).isascii()


def test_a_failure_is_not_asked_for_twice(talk: Any) -> None:
    with pytest.raises(AssistantFailed) as raised:
        talk.say("failure")
    assert not raised.value.retryable


@pytest.mark.parametrize("word", ["chat", "phone", "unknown"])
def test_what_is_passed_over_is_named(talk: Any, word: str) -> None:
    first, *passed_over = talk.generic(word)
    assert all(element["response_type"] in first["text"] for element in passed_over)
    assert passed_over


def test_the_readme_has_a_line_for_every_entry() -> None:
    lines = (Path(__file__).parents[1] / "README.md").read_text("utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    assert [re.findall("`(.*?)`", cell) for cell in cells] == [
        [each.word, *each.also] for each in ENTRIES if listed(each)
    ]


def listed(entry: Entry) -> bool:
    return bool(entry.title) or entry.word == "hello"
