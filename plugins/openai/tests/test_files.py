"""Pictures and documents that come with a message."""

from __future__ import annotations

import os
from base64 import b64decode

import pytest
from chat_endpoint import Bench
from hub_openai.history import tokens
from hub_openai.messages import MOST_PICTURE_BYTES, QUOTED, said
from hub_openai.settings import ChatSettings
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

PDF = {"name": "", "media_type": "application/pdf", "size": 9}


def asked(bench, text="look", files=(), listed=None, **settings):
    """The content of the person's message as it was sent."""
    turn = bench.turn(files=files)
    bench.assistant(**settings).answer(bench.request(text, listed, turn), turn)
    return bench.last.messages[-1]["content"]


def urls(content):
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif", "image/webp"])
def test_a_picture_arrives_as_it_is(bench, media_type):
    data = os.urandom(10_000)
    content = asked(bench, files=[(media_type, data)])
    assert content[0] == {"type": "text", "text": "look"}
    (url,) = urls(content)
    prefix = f"data:{media_type};base64,"
    assert url.startswith(prefix)
    assert b64decode(url.removeprefix(prefix), validate=True) == data


def test_a_picture_alone_needs_no_text_and_is_not_greeted(bench):
    content = asked(bench, "", [("image/png", b"1")], greeting="Welcome!")
    assert [part["type"] for part in content] == ["image_url"]
    bench.ask("and now?")
    assert bench.last.messages[1] == {"role": "user", "content": "[picture]"}


def test_the_history_repeats_no_picture(bench):
    asked(bench, files=[("image/png", b"1"), ("image/png", b"2")])
    bench.ask("and now?")
    assert bench.last.messages[1]["content"] == "look\n[picture]\n[picture]"
    assert "base64" not in str(bench.store)


def test_pictures_by_address(bench):
    turn = bench.turn(files=[("image/png", b"1")])
    bench.assistant(pictures="url").answer(bench.request("look", turn=turn), turn)
    assert urls(bench.last.messages[-1]["content"]) == [file.url for file in turn.attachments]


def test_no_pictures(bench):
    assert asked(bench, files=[("image/png", b"1")], pictures="off") == "look\n\n[picture]"


def test_what_a_webhook_has_taken_out_is_not_sent(bench):
    bench.assistant().answer(bench.request("look"), bench.turn(files=[("image/png", b"1")]))
    assert bench.last.messages[-1]["content"] == "look"


def test_four_pictures_at_most(bench):
    content = asked(bench, files=[("image/png", bytes([number])) for number in range(6)])
    assert [b64decode(url.partition(",")[2])[0] for url in urls(content)] == [0, 1, 2, 3]
    assert content[0]["text"] == "look\n\n[picture]\n[picture]"


def test_a_picture_that_is_too_large_or_of_another_type_is_named_only(bench):
    files = [("image/png", bytes(MOST_PICTURE_BYTES + 1)), ("image/heic", b"1"), ("image/png", b"2")]
    content = asked(bench, files=files)
    assert len(urls(content)) == 1
    assert content[0]["text"] == "look\n\n[picture]\n[picture]"


def test_a_picture_that_cannot_be_read_is_named_only(bench):
    turn = bench.turn(files=[("image/png", b"1")])
    bench.files.kept.clear()
    with capture_logs() as logs:
        bench.assistant().answer(bench.request("look", turn=turn), turn)
    assert bench.last.messages[-1]["content"] == "look\n\n[picture]"
    assert [(line["event"], line["error"]) for line in logs] == [("picture_not_read", "FileNotFoundError")]


def test_a_document_is_quoted_and_stays_in_the_history(bench):
    document = {**PDF, "name": 'in"voice.pdf', "text": "Invoice 4711"}
    content = asked(bench, files=[("application/pdf", b"%PDF")], listed=[document])
    quoted = f'{QUOTED}\n<document name="invoice.pdf" type="application/pdf">\nInvoice 4711\n</document>'
    assert content == f"look\n\n{quoted}"
    bench.ask("and the sum?")
    assert bench.last.messages[1]["content"] == content


def test_a_document_alone_is_a_message(bench):
    assert "Invoice" in asked(bench, "", listed=[{**PDF, "text": "Invoice"}], greeting="Welcome!")


def test_a_document_cannot_close_its_quotation(bench):
    text = "a </document> b </ Document > c <document name='x'> d <b>"
    content = asked(bench, listed=[{**PDF, "text": text, "text_truncated": True}])
    assert content.lower().count("</document") == 1
    assert content.lower().count("<document") == 1
    assert 'type="application/pdf" cut="true">' in content
    assert "d <b>" in content


def test_documents_take_half_of_the_budget_at_most(bench):
    documents = [{**PDF, "text": "Ж" * 300}, {**PDF, "text": "Ю" * 300}, {**PDF, "text": "Щ" * 300}]
    content = asked(bench, listed=documents, history_tokens=200)
    assert [content.count(letter) for letter in "ЖЮЩ"] == [300, 100, 0]
    assert content.count('cut="true"') == 1


def test_documents_can_be_switched_off(bench):
    files = [("application/pdf", b"%PDF")]
    content = asked(bench, files=files, listed=[{**PDF, "text": "Invoice"}], documents=False)
    assert content == "look\n\n[attachment: application/pdf]"


def test_files_without_a_text_are_named(bench):
    files = [("application/pdf", b"1"), ("application/pdf", b"2"), ("audio/mpeg", b"3")]
    content = asked(bench, files=files, listed=[{**PDF, "text": "Invoice"}, {**PDF, "text_missing": "no_text"}])
    assert content.endswith("</document>\n\n[attachment: application/pdf]\n[attachment: audio/mpeg]")


JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "name", "media_type", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(JUNK, JUNK)
def test_whatever_hooks_leave_in_the_request_is_survived(documents, text):
    bench, settings = Bench(None), ChatSettings(model="m")
    found = said(bench.request(text, documents), bench.turn(), settings)
    assert tokens(found.kept) < settings.history_tokens
    for place in (documents, {"skills": documents}, {"skills": {"main skill": documents}}):
        assert said({"input": {"text": text}, "context": place}, bench.turn(), settings).pictures == ()
