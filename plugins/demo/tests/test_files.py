"""Files the demo makes, and files it gets."""

from __future__ import annotations

import wave
from io import BytesIO
from typing import Any

import pytest
from hub_demo.document import letter
from hub_demo.files import packaged
from hub_demo.picture import sunrise
from hub_demo.sound import notes


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (sunrise(), b"\x89PNG\r\n\x1a\n"),
        (packaged("tune.mp3"), b"ID3"),
        (packaged("sunrise.mp4")[4:], b"ftyp"),
        (letter(), b"%PDF-1.4"),
    ],
)
def test_a_file_is_what_it_says(data: bytes, begins: bytes) -> None:
    assert data.startswith(begins)
    assert len(data) < 500_000  # Twilio: MediaUrl, what is not made smaller


def test_the_wav_plays() -> None:
    with wave.open(BytesIO(notes())) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, 8000, 2)
        assert file.getnframes() == 6400
        assert any(file.readframes(6400))


def test_the_table_of_the_pdf_leads_to_its_objects() -> None:
    document = letter()
    table = int(document.split(b"startxref\n")[1].split()[0])
    assert document[table:].startswith(b"xref\n0 6\n")
    for number, line in enumerate(document[table:].splitlines()[3:8], 1):
        assert document[int(line.split()[0]) :].startswith(b"%d 0 obj" % number)


@pytest.mark.parametrize(
    ("word", "kind", "media_type"),
    [
        ("picture", "image", "image/png"),
        ("sound", "audio", "audio/mpeg"),
        ("film", "video", "video/mp4"),
        ("link", "audio", "audio/wav"),
    ],
)
def test_a_shown_file_is_an_attachment_of_the_turn(talk: Any, word: str, kind: str, media_type: str) -> None:
    (element,) = talk.generic(word)
    (file,) = talk.attachments
    assert (element["response_type"], element["source"], file.media_type) == (kind, file.url, media_type)


def test_the_command_names_two_files(talk: Any) -> None:
    action = talk.generic("media")[0]["user_defined"]["smsAction"]
    assert action["parameters"]["mediaURL"] == [file.url for file in talk.attachments]
    assert [file.media_type for file in talk.attachments] == ["image/png", "application/pdf"]


def test_what_came_is_described(talk: Any) -> None:
    files = [(bytes(1700), "image/png"), (bytes(900), "application/zip")]
    assert talk.texts("", *files) == [
        "I got a picture (image/png, 1.7 kB).",
        "I got a file (application/zip, 900 bytes).",
    ]
    assert talk.texts("hm", *files[:1]) == ["I got a picture (image/png, 1.7 kB).", "You said: hm"]
    assert talk.say("older", *files[:1])["output"]["text"][0] == "I got a picture (image/png, 1.7 kB)."


def test_the_words_of_a_document_are_told(talk: Any) -> None:
    listed = [
        {"name": "", "media_type": "application/pdf", "size": 2500, "text": "One\ntwo " + "x" * 400},
        {"name": "", "media_type": "application/zip", "size": 10, "rejected": "type"},
    ]
    said = talk.texts("", (b"%PDF", "application/pdf"), variables={"attachments": listed})
    assert said == [
        f"I got a file (application/pdf, 2.5 kB). It says: One two {'x' * 292} ...",
        "I did not get a file (application/zip, 10 bytes): it was not accepted (type).",
    ]


def test_a_list_of_files_in_another_form_is_passed_over(talk: Any) -> None:
    files = (b"hello", "text/plain")
    for odd in ("x", {}, [1], None):
        assert talk.texts("", files, variables={"attachments": odd}) == ["I got a file (text/plain, 5 bytes)."]
