"""Pictures of answers: left alone where they fit into an MMS, replaced where they do not."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hub_attachments import outgoing

from hub import HttpClient


def image(source: str, **more: Any) -> dict[str, Any]:
    return {"response_type": "image", "source": source, "title": "A picture", **more}


def test_a_picture_that_fits_stays_where_it_is(bench: Any, make: Any, web: Any) -> None:
    for name in ("JPEG", "PNG", "GIF"):
        turn = bench.turn()
        source = web.put(f"/{name}", make.saved(make.corners(), name, exif=make.gps()))
        assert bench.postmessage(turn, image(source)) is None
        assert len(turn.attachments) == 0
    assert web.asked == ["/JPEG", "/PNG", "/GIF"]


def test_a_picture_that_is_too_large_is_replaced(bench: Any, make: Any, web: Any) -> None:
    source = web.put("/large.png", make.saved(make.noise(1000, 800), "PNG"))
    turn = bench.turn(max_picture_bytes=300_000)
    text = {"response_type": "text", "text": "Here it is."}
    response = bench.postmessage(turn, text, image(source, alt_text="noise"), image(source))
    (added,) = turn.attachments
    assert response["output"]["generic"] == [text, image(added.url, alt_text="noise"), image(added.url)]
    assert added.media_type == "image/jpeg"
    assert added.size <= 300_000
    assert make.opened(added.read()).format == "JPEG"
    assert web.asked == ["/large.png"]


@pytest.mark.parametrize("name", ["WEBP", "BMP", "TIFF", "AVIF"])
def test_a_type_no_mms_has_is_converted(bench: Any, make: Any, web: Any, name: str) -> None:
    turn = bench.turn()
    response = bench.postmessage(turn, image(web.put("/picture", make.saved(make.corners(), name))))
    (added,) = turn.attachments
    assert added.media_type == "image/jpeg"
    assert response["output"]["generic"][0]["source"] == added.url
    assert make.opened(added.read()).size == (40, 24)


def test_what_cannot_be_converted_stays(bench: Any, make: Any, web: Any) -> None:
    half = make.saved(make.noise(100, 100), "WEBP")
    for content in (
        b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"no picture", b"", half[: len(half) // 2], 404, 500,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 20_000_001,
    ):  # fmt: skip
        turn = bench.turn()
        assert bench.postmessage(turn, image(web.put("/x", content))) is None
        assert len(turn.attachments) == 0
    reasons = [event["reason"] for event in bench.events("picture_left")]
    assert reasons[:6] == ["type", "type", "type", "broken", "answered 404", "answered 500"]
    assert len(reasons) == 7


def test_redirects_are_followed_three_times(bench: Any, make: Any, web: Any) -> None:
    web.put("/0", make.saved(make.corners(), "WEBP"))
    for number in range(1, 5):
        web.put(f"/{number}", f"/{number - 1}")
    assert bench.postmessage(bench.turn(), image(web.root + "/3")) is not None
    assert bench.postmessage(bench.turn(), image(web.root + "/4")) is None


def test_addresses_that_lead_nowhere(bench: Any) -> None:
    for source in ("http://127.0.0.1:9/a.png", "nonsense", "", "data:image/png;base64,AAAA", "https://[", "ftp://x/y"):
        assert bench.postmessage(bench.turn(), image(source)) is None
    assert len(bench.events("picture_left")) == 6


def test_private_addresses_are_not_reached(bench: Any, make: Any, web: Any) -> None:
    bench.http = HttpClient()
    assert bench.postmessage(bench.turn(), image(web.put("/x", make.saved(make.corners(), "WEBP")))) is None
    assert web.asked == []


def test_elements_of_every_form_are_passed_over(bench: Any, web: Any) -> None:
    elements = [
        {}, {"response_type": "image"}, {"response_type": "image", "source": None},
        {"response_type": "image", "source": 7},
        {"response_type": "video", "source": web.root + "/film"}, {"source": web.root + "/picture"},
        image(web.root + "/chat", channels=[{"channel": "chat"}]),
    ]  # fmt: skip
    assert bench.postmessage(bench.turn(), *elements) is None
    assert web.asked == []
    bench.postmessage(bench.turn(), image(web.root + "/1", channels=[{"channel": "chat"}, {"channel": "whatsapp"}]))
    bench.postmessage(bench.turn(), image(web.root + "/2", channels=[]), image(web.root + "/3", channels="chat"))
    assert web.asked == ["/1", "/2", "/3"]


def test_what_the_person_sent_is_not_fetched(bench: Any, make: Any) -> None:
    turn = bench.turn(make.saved(make.corners(), "WEBP"))
    (sent,) = turn.attachments
    response = bench.postmessage(turn, image(sent.url))
    _, added = turn.attachments
    assert response["output"]["generic"][0]["source"] == added.url


def test_only_so_many_pictures_and_only_so_long(bench: Any, web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.postmessage(bench.turn(), *(image(f"{web.root}/{number}") for number in range(15)))
    assert len(web.asked) == outgoing.MOST_PICTURES
    web.asked.clear()
    monkeypatch.setattr(outgoing, "FETCH_SECONDS", 0.0)
    began = time.monotonic()
    assert bench.postmessage(bench.turn(), image(web.root + "/a"), image(web.root + "/b")) is None
    assert time.monotonic() - began < 5


def test_shrinking_can_be_switched_off(bench: Any, make: Any, web: Any) -> None:
    source = web.put("/x", make.saved(make.corners(), "WEBP"))
    assert bench.postmessage(bench.turn(shrink_answers=False), image(source)) is None
    assert web.asked == []


def test_no_address_is_logged(bench: Any, web: Any) -> None:
    bench.postmessage(
        bench.turn(), image(web.root + "/private/path?token=private"), image("http://127.0.0.1:9/private")
    )
    assert len(bench.events("picture_left")) == 2
    assert "private" not in bench.log
