"""Acceptance cases of what an assistant's answer becomes as text messages, and of pictures a person sends.

Each test names its case. White space in texts is compared collapsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from acceptance import JPEG, PNG, Line, Site, Talk, running, text
from signed import query
from watson_service import Call, Reply

from hub.testing import wait_until

LINES = (
    Line("sms", ("+15550000001",)),
    Line("separate", ("+15550000003",), channel={"combine_messages": False}),
)
FOUND = {"response_type": "search", "header": "Found:"}
NOT_FOR_SMS: list[dict[str, Any]] = [
    {"response_type": "iframe", "source": "https://e.example/map", "title": "Map"},
    {"response_type": "date"},
    {"response_type": "card", "body": [{"response_type": "text", "text": "a card"}]},
    {"response_type": "table", "headers": ["Day"], "rows": [{"cells": ["Monday"]}], "title": "Hours"},
    {"response_type": "grid", "columns": [{"width": "1"}], "rows": [{"cells": [{"items": []}]}]},
    {"response_type": "carousel", "items": [{"response_type": "card", "body": []}]},
    {"response_type": "button", "label": "Press", "button_type": "url", "url": "https://e.example"},
    {"response_type": "dtmf", "command_info": {"type": "collect", "parameters": {"count": "4"}}},
    {"response_type": "speech_to_text", "command_info": {"type": "configure", "parameters": {}}},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("hub"), *LINES) as site:
        yield site


@pytest.fixture
def talk(site: Site) -> Talk:
    """A conversation of somebody new."""
    return site.talk("sms")


def for_channels(words: str, *channels: str) -> dict[str, Any]:
    return {"response_type": "text", "text": words, "channels": [{"channel": channel} for channel in channels]}


def skipped(site: Site, response_type: str) -> list[dict[str, Any]]:
    """The log lines about an element that was passed over."""
    return [line for line in site.hub.events("response_type_skipped") if line["response_type"] == response_type]


def broke(site: Site) -> list[dict[str, Any]]:
    return [line for name in ("turn_failed", "assistant_raised", "lane_failed") for line in site.hub.events(name)]


@pytest.mark.parametrize(("line", "expected"), [("sms", ["A B"]), ("separate", ["A", "B"])])
def test_case_20_several_texts_keep_their_order(site: Site, line: str, expected: list[str]) -> None:
    talk = site.talk(line)
    talk.script(text("A", "B"))
    assert talk.says("hello") == expected


def test_case_21_only_elements_for_text_messages_and_for_everybody_are_shown(site: Site) -> None:
    talk = site.talk("separate")
    talk.script(
        Reply([for_channels("web", "chat"), for_channels("sms", "chat", "text_messaging"), *text("all").generic])
    )
    assert talk.says("hello") == ["sms", "all"]


def test_case_23_an_image_is_one_mms_with_title_and_description(talk: Talk) -> None:
    source = f"{talk.site.files}/shop.png"
    talk.script(Reply([{"response_type": "image", "source": source, "title": "Map", "description": "Our shop"}]))
    assert talk.says("where are you?") == ["Map Our shop"]
    (message,) = talk.ended()
    assert message.media_urls == (source,)
    assert [(file.content_type, file.data) for file in message.media] == [("image/png", PNG)]
    assert message.status == "delivered"


def test_case_24_a_film_and_a_sound_are_two_mms_that_need_no_text(talk: Talk) -> None:
    sources = [f"{talk.site.files}/tour.mp4", f"{talk.site.files}/hello.mp3"]
    kinds = ("video", "audio")
    talk.script(Reply([{"response_type": kind, "source": source} for kind, source in zip(kinds, sources, strict=True)]))
    assert talk.says("show me") == ["", ""]
    ended = talk.ended()
    assert [message.media_urls for message in ended] == [(source,) for source in sources]
    assert [message.status for message in ended] == ["delivered"] * 2


def test_a_file_that_twilio_does_not_take_becomes_a_link(talk: Talk) -> None:
    source = f"{talk.site.files}/logo.svg"
    talk.script(Reply([{"response_type": "image", "source": source, "title": "Logo"}]))
    assert talk.says("logo") == [f"Logo {source}"]
    (message,) = talk.ended()
    assert (message.media_urls, message.status) == ((), "delivered")


def test_case_26_connect_to_agent_sends_nothing_and_is_told_to_the_operator(talk: Talk) -> None:
    available, unavailable = {"message": "wait"}, {"message": "none"}
    talk.script(
        Reply(
            [{"response_type": "connect_to_agent", "agent_available": available, "agent_unavailable": unavailable}],
        )
    )
    assert talk.says("agent") == []
    assert [line["level"] for line in skipped(talk.site, "connect_to_agent")] == ["warning"]


@pytest.mark.parametrize("form", ["primary_results", "results"])
def test_case_28_of_a_search_the_header_and_the_first_body_are_shown(talk: Talk, form: str) -> None:
    first, *others = [{"title": f"t{n}", "body": f"p{n}", "url": f"https://e.example/{n}"} for n in (1, 2, 3)]
    if form == "primary_results":
        found = {**FOUND, "primary_results": [first], "additional_results": others}
    else:
        found = {**FOUND, "results": [first, *others]}
    talk.script(Reply([found]))
    assert talk.says("search") == ["Found: p1"]


def test_case_29_what_only_other_channels_show_is_ignored(talk: Talk) -> None:
    before, after = text("before", "after").generic
    talk.script(Reply([before, *NOT_FOR_SMS, after]))
    assert talk.says("everything") == ["before after"]
    for element in NOT_FOR_SMS:
        assert len(skipped(talk.site, element["response_type"])) == 1
    assert talk.says("still there?") == ["you said still there?"]
    assert broke(talk.site) == []


def test_case_30_an_unknown_response_type_is_ignored_with_a_warning(talk: Talk) -> None:
    talk.script(Reply([{"response_type": "brand_new", "text": "from the future"}]))
    assert talk.says("hello") == []
    assert [line["level"] for line in skipped(talk.site, "brand_new")] == ["warning"]


def test_case_31_html_and_markdown_become_plain_text(talk: Talk) -> None:
    talk.script(text("Go <b>now</b> &amp; see [site](https://e.example)"))
    assert talk.says("hello") == ["Go now & see site https://e.example"]


def test_case_32_a_text_of_2000_characters_becomes_two_messages_cut_at_white_space(talk: Talk) -> None:
    long = " ".join(f"word{number:04}" for number in range(223))[:2000].strip()
    assert len(long) == 2000
    talk.script(text(long))
    parts = talk.says("tell me")
    assert len(parts) == 2
    assert all(len(message.body) <= 1600 for message in talk.received)
    assert " ".join(parts) == long


def test_case_33_a_channel_transfer_is_its_message_and_a_link_to_the_page(talk: Talk) -> None:
    target = {"chat": {"url": "https://e.example/w?x=1#top"}}
    transfer = {"response_type": "channel_transfer", "message_to_user": "Tap", "transfer_info": {"target": target}}
    talk.script(Reply([transfer]))
    (shown,) = talk.says("web")
    words, link = shown.split(" ")
    parts = urlsplit(link)
    assert (words, parts.scheme, parts.netloc, parts.path) == ("Tap", "https", "e.example", "/w")
    assert (parse_qs(parts.query)["x"], parts.fragment) == (["1"], "top")


def test_case_35_end_session_is_ignored_and_the_session_lives_on(talk: Talk) -> None:
    talk.script(Reply([{"response_type": "end_session"}]))
    assert talk.says("one") == []
    assert talk.says("two") == ["you said two"]
    assert [call.kind for call in talk.calls()] == ["create", "message", "message"]


def test_case_37_an_empty_answer_sends_nothing_and_the_session_lives_on(talk: Talk) -> None:
    talk.script(Reply([]))
    assert talk.says("one") == []
    assert talk.says("two") == ["you said two"]
    assert [call.kind for call in talk.calls()] == ["create", "message", "message"]


@pytest.fixture(scope="module")
def picture(site: Site) -> tuple[Call, Call]:
    """The turns of a picture without a text, and of a text after it."""
    talk = site.talk("sms")
    talk.says(media=[("image/jpeg", JPEG)])
    talk.says("no picture")
    first, second = talk.calls("message")
    return first, second


def test_case_38_a_picture_is_an_attachment_and_stands_in_sms_media(site: Site, picture: tuple[Call, Call]) -> None:
    given = picture[0].input
    assert given["text"] == ""
    (attachment,) = given.get("attachments", [None])
    assert attachment is not None, site.hub.events("attachment_not_fetched")
    assert attachment["media_type"] == "image/jpeg"
    assert attachment["url"].startswith(f"{site.hub.url}/media/")
    assert picture[0].variables["smsMedia"] == [{"mediaURL": attachment["url"], "mediaContentType": "image/jpeg"}]


def test_case_39_the_turn_after_it_has_neither(picture: tuple[Call, Call]) -> None:
    second = picture[1]
    assert second.input["text"] == "no picture"
    assert "attachments" not in second.input
    assert second.variables["smsMedia"] == []


def test_a_message_that_did_not_arrive_is_told_in_the_next_turn_and_then_taken_back(talk: Talk) -> None:
    talk.script(Reply([{"response_type": "image", "source": f"{talk.site.files}/gone.png"}]))
    talk.says("picture")
    (message,) = talk.ended()
    assert (message.status, message.error_code) == ("undelivered", 63019)
    status = "SELECT status FROM message WHERE provider_id = :sid"
    wait_until(lambda: query(talk.site.hub, status, sid=message.sid)[0][0] == "undelivered", what="the report")
    talk.says("two")
    talk.says("three")
    told = [call.variables.get("smsError", "nothing") for call in talk.calls("message")]
    assert told[0] == "nothing"
    assert told[1]["code"] == "63019"
    assert told[2] is None
