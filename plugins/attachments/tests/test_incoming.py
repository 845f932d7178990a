"""Which files reach the assistant, and what it is told about them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any

import hub_attachments
import pytest
from hub_attachments import incoming, pictures
from hub_attachments.settings import AttachmentSettings
from hub_attachments.unusable import REASONS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hub import Refusal
from hub.testing import wait_until


def test_types_are_accepted_by_their_patterns() -> None:
    accepts = AttachmentSettings(accepted_types=["image/*", "Text/Plain"]).accepts
    assert accepts("image/png")
    assert accepts("IMAGE/tiff")
    assert accepts("text/plain")
    assert not accepts("text/html")
    assert not accepts("images/png")
    assert AttachmentSettings(accepted_types=["*/*"]).accepts("a/b")
    assert not AttachmentSettings(accepted_types=[]).accepts("image/png")
    for wrong in ("image", "*/png", "image/", "im*/png", "image/*g", ""):
        with pytest.raises(ValidationError):
            AttachmentSettings(accepted_types=[wrong])


def test_what_is_not_accepted_is_dropped_and_told(bench: Any, make: Any) -> None:
    picture = make.saved(make.corners(), "PNG")
    turn = bench.turn(b"<html><body>page", picture, b"x" * 1001, b"small", b"again", max_count=2, max_bytes=1000)
    listed = bench.listed(turn)
    assert [entry.get("rejected") for entry in listed] == ["type", None, "too_large", None, "too_many"]
    assert [each.read() for each in turn.attachments] == [picture, b"small"]
    assert listed[0] == {"name": "", "media_type": "text/html", "size": 16, "rejected": "type"}
    events = bench.events("attachment_rejected")
    assert [event["reason"] for event in events] == ["type", "too_large", "too_many"]
    assert events[0]["media_type"] == "text/html"


def test_names_are_told_and_never_logged(bench: Any) -> None:
    turn = bench.turn(bench.file(b"<html><body>private words", name="private.html"), bench.file(b"", name="n" * 999))
    listed = bench.listed(turn)
    assert listed[0]["name"] == "private.html"
    assert len(listed[1]["name"]) == 200
    assert bench.events("attachment_rejected")
    assert "private" not in bench.log


def test_the_request_is_otherwise_as_it_was(bench: Any) -> None:
    turn = bench.turn(b"text")
    request = {
        "input": {"text": "look"},
        "context": {"skills": {"main skill": {"user_defined": {"tier": "gold"}, "system": {"state": "s"}}}},
        "user_id": "u",
    }
    changed = hub_attachments.premessage(turn, json.loads(json.dumps(request)))
    variables = changed["context"]["skills"]["main skill"]["user_defined"]
    assert variables.pop("attachments")[0]["text"] == "text"
    assert changed == request


@pytest.mark.parametrize(
    "context", [None, {"context": None}, {"context": {"skills": []}}, {"context": {"skills": {"main skill": "x"}}}]
)
def test_a_context_of_any_form_takes_the_list(bench: Any, context: Any) -> None:
    changed = hub_attachments.premessage(bench.turn(b"text"), {"input": {}, **(context or {})})
    assert len(changed["context"]["skills"]["main skill"]["user_defined"]["attachments"]) == 1


def test_later_turns_of_the_session_get_an_empty_list(bench: Any) -> None:
    session: dict[str, Any] = {}
    assert bench.premessage(bench.turn(session=session)) is None
    assert session == {}
    assert len(bench.listed(bench.turn(b"text", session=session))) == 1
    for _ in range(2):
        assert bench.listed(bench.turn(session=session)) == []
    assert len(bench.listed(bench.turn(b"text", session=session))) == 1


def test_a_turn_with_nothing_left_is_refused_if_that_is_wanted(bench: Any) -> None:
    page = b"<html><body>page"
    message = {"reject_message": "Please send pictures."}
    assert bench.premessage(bench.turn(page, **message), " ") == Refusal("Please send pictures.")
    assert bench.premessage(bench.turn(page, **message), "") == Refusal("Please send pictures.")
    assert bench.listed(bench.turn(page, **message), "look")[0]["rejected"] == "type"
    assert bench.listed(bench.turn(page), "")[0]["rejected"] == "type"
    assert len(bench.listed(bench.turn(page, b"text", **message), "")) == 2
    assert bench.premessage(bench.turn(**message), "") is None


def test_a_file_that_was_purged_does_not_end_the_turn(bench: Any) -> None:
    turn = bench.turn(b"gone", b"there")
    first = next(iter(turn.attachments))
    del bench.keeper[first.key]
    assert [entry.get("rejected") for entry in bench.listed(turn)] == ["failed", None]
    assert len(turn.attachments) == 1


def test_a_file_nobody_could_look_at_does_not_pass(bench: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("private words")

    monkeypatch.setattr(pictures, "cleaned", fails)
    entry, left = bench.through(make.saved(make.corners(), "PNG"))
    assert (entry["rejected"], left) == ("failed", None)
    assert bench.events("attachment_not_examined")[0]["error"] == "RuntimeError"
    assert "private" not in bench.log


def test_few_files_are_examined_at_the_same_time(bench: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, lock = threading.Event(), threading.Lock()
    working: list[int] = [0, 0]  # now, and at most

    def waits(data: bytes, *_: Any, **__: Any) -> bytes:
        with lock:
            working[0] += 1
            working[1] = max(working)
        gate.wait(10)
        with lock:
            working[0] -= 1
        return data

    monkeypatch.setattr(pictures, "cleaned", waits)
    picture = make.saved(make.corners(), "PNG")
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(bench.through(picture, time_limit=1)), daemon=True)
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(results) == 3, 10, "the late ones")
    gate.set()
    for thread in threads:
        thread.join(10)
    assert working[1] == 2
    assert sorted(entry.get("rejected", "") for entry, _ in results) == ["", "", "no_time", "no_time", "no_time"]
    assert all(incoming.ROOM.acquire(timeout=1) for _ in range(2)), "room was not given back"
    incoming.ROOM.release(2)


def test_switched_off_nothing_is_touched(bench: Any, make: Any) -> None:
    sent = make.saved(make.corners(), "JPEG", exif=make.gps())
    for turn in (bench.turn(sent, enabled=False), bench.turn(sent)):
        if turn.sections["attachments"].enabled:
            turn.sections.clear()
        assert bench.premessage(turn) is None
        assert bench.postmessage(turn, {"response_type": "image", "source": "https://nowhere.invalid/a.png"}) is None
        assert [each.read() for each in turn.attachments] == [sent]


def test_a_hub_without_files_does_not_load_the_libraries() -> None:
    code = (
        "import sys, hub_attachments; print([name for name in ('PIL', 'pypdf', 'pillow_heif') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


BEGINNINGS = [
    b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\0\0\0WEBPVP8X", b"II*\0", b"MM\0*", b"BM",
    b"\0\0\0\x1cftypavif", b"\0\0\0\x18ftypheic", b"%PDF-1.7\n", b"\xff\xfe", b"PK\x03\x04",
]  # fmt: skip
TYPES = st.sampled_from(
    ["image/jpeg", "image/png", "image/gif", "image/webp", "image/tiff", "image/bmp", "image/avif", "image/heif",
     "image/svg+xml", "application/pdf", "text/plain", "text/html", "application/octet-stream", "", "nonsense"]
)  # fmt: skip
FILES = st.lists(
    st.tuples(st.builds(bytes.__add__, st.sampled_from(BEGINNINGS), st.binary(max_size=300)), TYPES), max_size=4
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, strip=st.booleans(), everything=st.booleans())
def test_no_bytes_make_the_hook_fail(bench: Any, files: Any, strip: bool, everything: bool) -> None:
    types = {"accepted_types": ["*/*"]} if everything else {}
    given_files = [bench.file(data, media_type, name=str(number)) for number, (data, media_type) in enumerate(files)]
    turn = bench.turn(*given_files, strip_metadata=strip, **types)
    if not files:
        assert bench.premessage(turn) is None
        return
    began = time.monotonic()
    listed = bench.listed(turn)
    assert time.monotonic() - began < 20
    assert [entry["name"] for entry in listed] == [str(number) for number in range(len(files))]
    accepted = [entry["name"] for entry in listed if "rejected" not in entry]
    assert [each.name for each in turn.attachments] == accepted
    assert {entry["rejected"] for entry in listed if "rejected" in entry} <= set(REASONS) - {"failed"}
    json.dumps(listed).encode()
    assert not bench.events("attachment_not_examined")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "PDF"]))
def test_no_damage_makes_the_hook_fail(bench: Any, make: Any, data: Any, name: str) -> None:
    whole = make.pdf("some text") if name == "PDF" else make.saved(make.noise(20, 12), name)
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    media_type = "application/pdf" if name == "PDF" else f"image/{name.lower()}"
    turn = bench.turn(bench.file(bytes(damaged), media_type), accepted_types=["*/*"])
    (entry,) = bench.listed(turn)
    assert entry.get("rejected") in (None, "broken", "too_many_pixels", "not_cleaned")
    assert len(turn.attachments) == ("rejected" not in entry)
