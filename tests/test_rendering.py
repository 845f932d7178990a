"""An answer as text messages: each response type, numbered lists and what an answer to them means."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from hub.contract import ContractError, check_response, require_request, require_response
from hub.errors import AssistantFailed
from hub.rendering.choices import choose
from hub.rendering.text import MOST_PARTS, Part, Rendered, Style, checked, messages, render, storable

IMAGE = {"response_type": "image", "source": "https://x.example/p.png", "title": "Map", "description": "Our shop"}
OPT3 = {
    "response_type": "option",
    "title": "Which cover?",
    "description": "Kinds",
    "options": [
        {"label": "Boat", "value": {"input": {"text": "boat cover"}}},
        {"label": "Car", "value": {"input": {"text": "car cover"}}},
        {"label": "House", "value": {"input": {"text": "house cover"}}},
    ],
}
SUG2: dict[str, Any] = {
    "response_type": "suggestion",
    "title": "Did you mean:",
    "suggestions": [
        {
            "label": "Order a drink",
            "value": {
                "input": {"text": "drinks", "suggestion_id": "s-1", "intents": [{"intent": "order", "confidence": 0.7}]}
            },
        },
        {"label": "None of the above", "value": {"input": {"text": "drinks", "suggestion_id": "s-9"}}},
    ],
}


def text(words: Any, **more: Any) -> dict[str, Any]:
    return {"response_type": "text", "text": words, **more}


def answer(*elements: Any) -> dict[str, Any]:
    return checked({"output": {"generic": list(elements)}, "context": {}})


def show(*elements: Any, **style: Any) -> Rendered:
    return messages(answer(*elements), Style(**{"max_length": 1600, **style}))


def texts(*elements: Any, **style: Any) -> list[str]:
    return [part.text for part in show(*elements, **style).parts]


class TestTexts:
    def test_texts_are_joined_as_far_as_they_fit(self) -> None:  # case 20
        assert texts(text("A"), text("B")) == ["A\nB"]
        assert texts(text("A"), text("B"), combine=False) == ["A", "B"]
        assert texts(text("aaa"), text("bbb"), text("ccc"), max_length=7) == ["aaa\nbbb", "ccc"]
        assert texts(text("👍"), text("👍"), max_length=4) == ["👍", "👍"]

    def test_an_element_is_cut_only_when_it_is_too_long_itself(self) -> None:  # case 32
        long = "word " * 400
        parts = texts(text("Hello"), text(long), text("Bye"))
        assert all(len(part) <= 1600 for part in parts)
        assert " ".join(parts).split() == ["Hello", *["word"] * 400, "Bye"]
        assert texts(text("aaaa"), text("bb cc"), max_length=8) == ["aaaa", "bb cc"]

    def test_a_channels_filter_is_obeyed(self) -> None:  # case 21
        elements = (
            text("web", channels=[{"channel": "chat"}]),
            text("sms", channels=[{"channel": "text_messaging"}]),
            text("all"),
        )
        assert texts(*elements) == ["sms\nall"]
        assert texts(*elements, channel="chat") == ["web\nall"]
        assert texts(text("a", channels=[]), text("b", channels=5), text("c", channels=[7])) == ["a\nb"]

    def test_markup_is_read_everywhere(self) -> None:  # case 31
        assert texts(text("Go <b>now</b> &amp; see [site](https://e.example)")) == [
            "Go now & see site https://e.example"
        ]
        assert texts({"response_type": "option", "title": "**T**", "options": [{"label": "<i>x</i>"}]}) == ["T\n1. x"]

    @pytest.mark.parametrize(
        ("element", "expected"),
        [
            ({"values": [{"text": "a"}]}, ["a"]),
            ({"values": [{"text": "a"}, {"text": "b"}], "selection_policy": "sequential"}, ["a"]),
            ({"values": [{"text": " "}, {"text": "b"}], "selection_policy": "random"}, ["b"]),
            ({"values": [{"text": "a"}, {"text": "b"}], "selection_policy": "multiline"}, ["a\nb"]),
            (
                {"values": [{"text": "a"}, {"text": "b"}], "selection_policy": "multiline", "delimiter": "; "},
                ["a; b"],
            ),
            ({"values": ["a", 5, {"text": None}]}, ["a\n5"]),
            ({"text": 12.5}, ["12.5"]),
            ({"text": ["a", "b"]}, ["a\nb"]),
            ({"text": ""}, []),
        ],
    )
    def test_other_forms_of_a_text(self, element: dict[str, Any], expected: list[str]) -> None:
        assert texts({"response_type": "text", **element}) == expected

    def test_texts_of_old_dialogs(self) -> None:
        style = Style(1600)
        assert messages({"output": {"text": ["a", "b"]}}, style).parts == [Part("a\nb")]
        assert messages({"output": {"text": "a"}}, style).parts == [Part("a")]
        assert messages({"output": {"text": ["a"], "generic": [text("b")]}}, style).parts == [Part("b")]
        assert messages({"output": {"text": ["a"], "generic": []}}, style).parts == []  # case 37
        assert messages({"output": {}}, style).parts == []

    def test_preparation_comes_before_measuring(self) -> None:
        assert texts(text("ab"), text("c"), prepare=lambda words: words * 2, max_length=7) == ["abab\ncc"]

    def test_a_flood_is_cut_off(self) -> None:
        with structlog.testing.capture_logs() as logs:
            assert len(texts(*[text("a")] * 500, combine=False)) == MOST_PARTS
        assert [log["event"] for log in logs] == ["response_cut_off"]

    def test_render_gives_a_message_for_each_element(self) -> None:
        assert render(answer(text("A"), text("B"), IMAGE), 1600, str.lower) == [
            Part("a"),
            Part("b"),
            Part("map\nour shop", ("https://x.example/p.png",)),
        ]


class TestMedia:
    def test_each_file_is_a_message(self) -> None:  # cases 23 and 24
        assert show(IMAGE).parts == [Part("Map\nOur shop", ("https://x.example/p.png",))]
        video = {"response_type": "video", "source": "https://x.example/v.mp4"}
        audio = {"response_type": "audio", "source": "https://x.example/a.mp3"}
        assert show(video, audio).parts == [
            Part("", ("https://x.example/v.mp4",)),
            Part("", ("https://x.example/a.mp3",)),
        ]

    def test_texts_before_a_file_join_it_if_they_fit(self) -> None:
        assert show(text("A"), text("B"), IMAGE, text("C"), text("D")).parts == [
            Part("A\nB\nMap\nOur shop", ("https://x.example/p.png",)),
            Part("C\nD"),
        ]
        assert [part.text for part in show(text("a" * 10), IMAGE, max_length=20).parts] == ["a" * 10, "Map\nOur shop"]
        assert show(text("A"), IMAGE, combine=False).parts[0] == Part("A")

    def test_words_that_do_not_fit_follow(self) -> None:
        parts = show(IMAGE, max_length=4).parts
        assert parts[0] == Part("Map", ("https://x.example/p.png",))
        assert [part.text for part in parts[1:]] == ["Our", "shop"]

    @pytest.mark.parametrize("source", [None, 5, "", "p.png", "data:image/png;base64,AAAA", "javascript:x"])
    def test_a_file_nobody_can_fetch_is_not_sent(self, source: Any) -> None:
        assert show({**IMAGE, "source": source}).parts == [Part("Map\nOur shop")]

    def test_files_of_a_command_come_last(self) -> None:
        addresses = [f"https://x.example/{number}" for number in range(11)]
        rendered = messages(answer(text("A")), Style(1600), [*addresses, " "])
        assert rendered.parts == [Part("A"), Part("", tuple(addresses[:10])), Part("", (addresses[10],))]


class TestLists:
    @pytest.mark.parametrize(
        ("style", "expected"),
        [
            ({}, "Which cover? 1. Boat 2. Car 3. House"),  # case 41
            ({"option_prefix": "%s."}, "Which cover? 1.Boat 2.Car 3.House"),  # case 42
            ({"option_prefix": "Enter %s for "}, "Which cover? Enter 1 for Boat Enter 2 for Car Enter 3 for House"),
            ({"option_prefix": "100% %s %d "}, "Which cover? 100% 1 %d Boat 100% 2 %d Car 100% 3 %d House"),
            ({"option_prefix": "* "}, "Which cover? * Boat * Car * House"),
        ],
    )
    def test_options(self, style: dict[str, str], expected: str) -> None:  # case 43
        assert " ".join(texts(OPT3, **style)[0].split()) == expected

    @pytest.mark.parametrize(
        ("style", "expected"),
        [
            ({}, "Did you mean:\n1. Order a drink\n2. None of the above"),  # case 51
            ({"suggestion_prefix": "%s."}, "Did you mean:\n1. Order a drink\n2. None of the above"),
            (
                {"suggestion_prefix": "Enter %s for:"},  # case 53
                "Did you mean:\nEnter 1 for: Order a drink\nEnter 2 for: None of the above",
            ),
            ({"option_prefix": "x"}, "Did you mean:\n1. Order a drink\n2. None of the above"),  # case 56
            ({"suggestion_prefix": ""}, "Did you mean:\nOrder a drink\nNone of the above"),
        ],
    )
    def test_suggestions(self, style: dict[str, str], expected: str) -> None:
        assert texts(SUG2, **style) == [expected]

    def test_suggestions_have_a_title_always_and_options_need_none(self) -> None:
        assert texts({**SUG2, "title": ""})[0].startswith("Did you mean:\n1. ")
        assert texts({**OPT3, "title": ""}) == ["1. Boat\n2. Car\n3. House"]

    def test_two_lists_count_on(self) -> None:
        rendered = show(OPT3, SUG2)
        assert "4. Order a drink" in rendered.parts[0].text
        assert len(rendered.choices) == 5
        assert choose(rendered.choices, "4") == SUG2["suggestions"][0]["value"]["input"]

    @pytest.mark.parametrize("said", ["2", " 2. ", "2)", "#2", "٢", "CAR", " car ", "car  cover"])  # cases 45 and 47
    def test_a_choice_is_named(self, said: str) -> None:
        assert choose(show(OPT3).choices, said) == {"text": "car cover"}

    @pytest.mark.parametrize("said", ["9", "0", "-1", "something else", "", "2 3", "1.5", "9" * 50])  # cases 48 and 49
    def test_nothing_is_chosen(self, said: str) -> None:
        assert choose(show(OPT3).choices, said) is None

    def test_a_suggestion_is_sent_back_unchanged(self) -> None:  # case 54
        choices = json.loads(json.dumps(show(SUG2).choices))
        assert choose(choices, "1") == SUG2["suggestions"][0]["value"]["input"]

    def test_older_siblings_of_the_input_are_copied_in(self) -> None:
        value = {"input": {"text": "a", "entities": [1]}, "intents": [{"intent": "x"}], "entities": [2]}
        rendered = show({**OPT3, "options": [{"label": "A", "value": value}]})
        assert choose(rendered.choices, "1") == {"text": "a", "entities": [1], "intents": [{"intent": "x"}]}

    def test_broken_entries_are_shown_and_mean_their_label(self) -> None:
        options = ["Boat", {"label": "Car"}, {"label": 3, "value": {"input": 5}}, {"value": {"input": {"text": "x"}}}]
        rendered = show({**OPT3, "title": "T", "options": [*options, None, {}, []]})
        assert rendered.parts == [Part("T\n1. Boat\n2. Car\n3. 3\n4. x")]
        assert [choose(rendered.choices, str(number)) for number in (1, 2, 3, 4, 5)] == [
            {"text": "Boat"}, {"text": "Car"}, {"text": "3"}, {"text": "x"}, None,
        ]  # fmt: skip
        assert texts({**OPT3, "options": "none"}) == ["Which cover?"]

    def test_labels_are_compared_as_they_are_read(self) -> None:
        rendered = show({**OPT3, "options": [{"label": "<b>Don’t</b> know"}, {"label": "20"}]})
        assert choose(rendered.choices, "don't KNOW") == {"text": "<b>Don’t</b> know"}
        assert choose(rendered.choices, "<b>Don’t</b> know") == {"text": "<b>Don’t</b> know"}
        assert choose(rendered.choices, "20") == {"text": "20"}


class TestOthers:
    @pytest.mark.parametrize(
        ("element", "expected"),
        [
            (  # case 28
                {"header": "Found:", "primary_results": [{"body": "p1"}, {"body": "p2"}],
                 "additional_results": [{"body": "q"}]},
                ["Found:\np1"],
            ),
            ({"header": "Found:", "results": [{"title": "t", "body": "r1"}, {"body": "r2"}]}, ["Found:\nr1"]),
            ({"header": "H", "primary_results": [], "additional_results": [{"body": "q"}]}, ["H\nq"]),
            ({"header": "H", "results": [{"body": "", "highlight": {"body": ["<em>a</em>", "b"]}}]}, ["H\na\nb"]),
            ({"header": "H", "results": [5]}, ["H"]),
            ({"header": "H"}, ["H"]),
        ],
    )  # fmt: skip
    def test_search(self, element: dict[str, Any], expected: list[str]) -> None:
        assert texts({"response_type": "search", **element}) == expected

    def test_conversation_search(self) -> None:
        assert texts({"response_type": "conversation_search", "text": "so", "citations_title": "From"}) == ["so"]

    def test_channel_transfer(self) -> None:  # case 33
        target = {"target": {"chat": {"url": "https://e.example/_w_?x=1#top"}}}
        transfer = {"response_type": "channel_transfer", "message_to_user": "Tap", "transfer_info": target}
        assert texts(transfer) == ["Tap\nhttps://e.example/_w_?x=1#top"]
        assert texts({**transfer, "message_to_user": {"message": "Tap"}, "transfer_info": 5}) == ["Tap"]

    @pytest.mark.parametrize(
        "kind",
        [  # cases 26, 29, 30 and 35
            "connect_to_agent", "iframe", "date", "card", "table", "grid", "carousel", "button", "dtmf",
            "speech_to_text", "text_to_speech", "start_activities", "stop_activities", "end_session", "brand_new",
            "", None, 5, ["text"],
        ],
    )  # fmt: skip
    def test_what_cannot_be_a_text_is_passed_over(self, kind: Any) -> None:
        element = {"response_type": kind, "title": "t", "text": "x", "agent_unavailable": {"message": "none"}}
        with structlog.testing.capture_logs() as logs:
            assert texts(element, text("after")) == ["after"]
        assert [(log["event"], log["log_level"]) for log in logs] == [("response_type_skipped", "warning")]

    def test_what_has_nothing_to_show_is_silent(self) -> None:  # case 60
        command = {"smsAction": {"command": "terminateSession"}}
        with structlog.testing.capture_logs() as logs:
            assert texts({"response_type": "pause", "time": 500}) == []
            assert texts({"response_type": "user_defined", "user_defined": command}) == []
            assert logs == []
            assert texts({"response_type": "user_defined", "user_defined": {"x": 1}}) == []
        assert [log["log_level"] for log in logs] == ["debug"]


@pytest.mark.parametrize(
    "response",
    [None, {}, {"output": []}, {"output": {"generic": 5}}, {"output": {"generic": [5]}}, {"output": {}, "context": []},
     {"output": {"x": {1}}}],
)  # fmt: skip
def test_what_cannot_be_walked_is_no_answer(response: Any) -> None:
    with pytest.raises(AssistantFailed):
        checked(response)


def test_what_can_be_stored() -> None:
    holds_itself: list[Any] = []
    holds_itself += [holds_itself, holds_itself]
    deepest: Any = []
    for _ in range(99):
        deepest = [deepest]
    assert all(map(storable, [None, True, 1, 1.5, "a", (1, "a", [{}]), {"a": {"b": [1]}}, deepest]))
    assert not any(
        map(storable, [{1: 2}, {"a": [{2: 1}]}, {1}, b"", object, float("nan"), [-float("inf")], 10**5000, [deepest],
                       holds_itself])
    )  # fmt: skip


# Arbitrary answers

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=6,
)
TYPES = [
    "text", "image", "audio", "video", "iframe", "option", "suggestion", "pause", "connect_to_agent",
    "channel_transfer", "search", "conversation_search", "user_defined", "date", "end_session", "dtmf",
    "speech_to_text", "start_activities", "button", "card", "carousel", "grid", "table", "search_skill", "brand_new",
]  # fmt: skip
FIELDS = [
    "text", "values", "selection_policy", "delimiter", "source", "title", "description", "options", "suggestions",
    "channels", "channel_options", "voice_telephony", "loop", "label", "value", "input", "intents", "header", "results",
    "primary_results", "highlight", "body", "items", "rows", "cells", "transfer_info", "target", "chat", "url",
    "message_to_user", "user_defined", "smsAction", "time", "output", "generic", "command_info", "activities",
]  # fmt: skip


def _like_an_element(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from(FIELDS), below, max_size=5)
    return st.builds(lambda kind, found: {**found, "response_type": kind}, st.sampled_from(TYPES) | JSON, fields)


SOUP = st.recursive(
    JSON,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), below, max_size=4)
        | _like_an_element(below)
    ),
    max_leaves=15,
)


@given(st.lists(_like_an_element(SOUP), max_size=4), SOUP, SOUP, st.integers(2, 40), st.booleans())
def test_no_answer_breaks_anything(generic: list[Any], more: Any, context: Any, limit: int, combine: bool) -> None:
    response = {"output": {"generic": generic, "text": more, "user_defined": more}, "context": {"a": context}}
    for problem in check_response(response):
        assert problem.reason
    for require in (require_request, require_response):
        for value in (response, {"input": more, "context": context}, more):
            with suppress(ContractError):
                require(value)
    rendered = messages(checked(response), Style(limit, combine=combine))
    assert all(len(part.text.encode("utf-16-le")) // 2 <= limit for part in rendered.parts)
    assert storable(rendered.choices)
    for number, choice in enumerate(rendered.choices, 1):
        assert choose(rendered.choices, str(number)) == choice["input"]


WORDS = st.lists(st.text("abcdéß日", min_size=1, max_size=5), min_size=1, max_size=6)


@given(st.lists(WORDS, max_size=8), st.integers(5, 60), st.booleans())
@example([["a"] * 6, ["b"]], 5, True)
def test_no_word_is_lost(elements: list[list[str]], limit: int, combine: bool) -> None:
    parts = texts(*(text(" ".join(words)) for words in elements), max_length=limit, combine=combine)
    assert " ".join(parts).split() == [word for words in elements for word in words]


@given(st.lists(st.tuples(st.text("abc", min_size=1), st.dictionaries(st.text(max_size=3), JSON)), max_size=8))
def test_every_number_gives_its_value(entries: list[tuple[str, dict[str, Any]]]) -> None:
    options = [{"label": label, "value": {"input": value}} for label, value in entries]
    choices = show({**OPT3, "options": options}).choices
    for number, (_, value) in enumerate(entries, 1):
        for form in ("{}", "{}.", "{})", "#{}"):
            assert choose(choices, form.format(number)) == value
