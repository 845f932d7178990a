"""The text of documents: PDF and plain."""

from __future__ import annotations

import io
import time
import zlib
from typing import Any

import pypdf
import pytest
from hub_attachments import texts


def encrypted(data: bytes, user: str, algorithm: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(user, "owner", algorithm=algorithm)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_the_text_of_a_pdf_is_in_the_context(bench: Any, make: Any) -> None:
    data = make.pdf("Invoice 4711", "Total 12 Euro")
    entry, left = bench.through(data)
    assert left == data
    assert entry == {
        "name": "",
        "media_type": "application/pdf",
        "size": len(data),
        "text": "Invoice 4711\nTotal 12 Euro",
    }


def test_a_thousand_pages_are_not_read(bench: Any, make: Any) -> None:
    data = make.pdf(*(f"page {number}" for number in range(1000)))
    began = time.monotonic()
    entry, _ = bench.through(data, max_pages=3)
    assert entry["text"].split("\n") == ["page 0", "page 1", "page 2"]
    assert entry["text_truncated"] is True
    entry, _ = bench.through(data, max_text=100, max_pages=1000)
    assert (len(entry["text"]), entry["text_truncated"]) == (100, True)
    assert time.monotonic() - began < 20


def test_a_pdf_that_fits_exactly_is_not_truncated(bench: Any, make: Any) -> None:
    entry, _ = bench.through(make.pdf("12345", "1234"), max_pages=2, max_text=10)
    assert "text_truncated" not in entry
    assert len(entry["text"]) == 10


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_encrypted_pdfs(bench: Any, make: Any, algorithm: str) -> None:
    entry, left = bench.through(encrypted(make.pdf("hidden"), "secret", algorithm))
    assert left is not None
    assert entry["text_missing"] == "encrypted"
    assert "text" not in entry
    assert bench.through(encrypted(make.pdf("readable"), "", algorithm))[0]["text"] == "readable"


def test_a_scan_has_no_text(bench: Any, make: Any) -> None:
    assert bench.through(make.pdf_of(b"0 0 m 9 9 l S"))[0]["text_missing"] == "no_text"


@pytest.mark.parametrize("broken", [b"%PDF-1.7", b"%PDF-1.4\n" + b"<<" * 50_000, b"%PDF-1.4\ntrailer <</Root 1 0 R>>"])
def test_broken_pdfs_have_no_text(bench: Any, broken: bytes) -> None:
    entry, left = bench.through(broken)
    assert left == broken
    assert entry["text_missing"] == "broken"


def test_half_a_pdf_is_no_failure(bench: Any, make: Any) -> None:
    data = make.pdf(*("a page " * 20 for _ in range(20)))
    entry, _ = bench.through(data[: len(data) // 2])
    assert "text" in entry or entry["text_missing"] in ("broken", "no_text")


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        (zlib.compress(b"BT (a) Tj ET " * 4_000_000), "/Filter/FlateDecode"),
        (zlib.compress(zlib.compress(b"\0" * 400_000_000)), "/Filter[/FlateDecode/FlateDecode]"),
        (b"BT /F1 1 Tf " + b"(a) Tj " * 500_000 + b"ET", ""),
        (b"[" * 300_000, ""),
        (b"/X Do " * 20_000, ""),
    ],
    ids=["unfolds", "unfolds twice", "operators", "nesting", "recursion"],
)
def test_hostile_pages_end_soon(make: Any, content: bytes, entries: str) -> None:
    began = time.monotonic()
    found = texts.of_pdf(make.pdf_of(content, entries=entries), 20_000, 50, seconds=5)
    assert time.monotonic() - began < 12
    assert found.missing in ("broken", "no_text", "no_time")


def test_what_was_read_before_a_hostile_page_stays(make: Any) -> None:
    good = b"BT /F1 12 Tf 20 100 Td (first page) Tj ET"
    found = texts.of_pdf(make.pdf_of(good, b"BT /F1 1 Tf " + b"(a) Tj " * 500_000 + b"ET"), 20_000, 50)
    assert found == texts.Text("first page", truncated=True)


def test_a_slow_page_is_left_when_the_time_is_over(make: Any) -> None:
    slow = make.pdf_of(b"BT /F1 1 Tf " + b"(abc) Tj 0 1 Td " * 20_000 + b"ET")
    began = time.monotonic()
    assert texts.of_pdf(slow, 200_000, 50, seconds=0.05).missing == "no_time"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_encodings_of_plain_texts(bench: Any, encoding: str) -> None:
    entry, left = bench.through("Grüße aus Köln".encode(encoding))
    assert left is not None
    assert entry["media_type"] == "text/plain"
    assert entry["text"] == "Grüße aus Köln"


def test_utf_16_of_either_order(bench: Any) -> None:
    for encoding, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        assert bench.through(mark + "日本".encode(encoding))[0]["text"] == "日本"


def test_binary_is_no_text(bench: Any) -> None:
    for data in (b"\x01\xff\x9c\x81", b"abc\xe9\x00"):
        assert bench.through(data)[0]["rejected"] == "type"


def test_what_no_store_can_keep_is_left_out(bench: Any) -> None:
    assert bench.through(b"a\0b\x1bc\td\r\n")[0].get("text", "abc\td\r\n") == "abc\td\r\n"
    assert texts.plain(b"a\0b\x1bc\td\r\n", 99).content == "abc\td\r\n"
    assert texts.plain(b"\xff\xfe\x00\xd8a\0", 99).content.encode() is not None


def test_long_texts_are_cut_between_characters(bench: Any) -> None:
    entry, _ = bench.through("ü".encode() * 30_000)
    assert (entry["text"], entry["text_truncated"]) == ("ü" * 20_000, True)
    assert texts.plain("🙂".encode() * 10, 10) == texts.Text("🙂" * 10)
    assert texts.plain("🙂".encode() * 11, 10) == texts.Text("🙂" * 10, truncated=True)
    assert texts.plain(b"a" + "🙂".encode() * 11, 10).content == "a" + "🙂" * 9


def test_the_texts_of_a_turn_share_the_limit(bench: Any, make: Any) -> None:
    turn = bench.turn(b"first text", make.pdf("second text"), b"third", max_text=15)
    listed = bench.listed(turn)
    assert [entry.get("text") for entry in listed] == ["first text", "secon", None]
    assert len(turn.attachments) == 3


def test_no_text_at_all_when_that_is_wanted(bench: Any, make: Any) -> None:
    for data in (b"text", make.pdf("text")):
        entry, left = bench.through(data, max_text=0)
        assert left == data
        assert "text" not in entry


def test_nothing_of_a_document_is_logged(bench: Any, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    broken = make.pdf("private words").replace(b"endstream", b"private words", 1)
    for data in (broken, b"private words \xff\0"):
        bench.listed(bench.turn(bench.file(data, name="private words.pdf")))
    assert "private" not in bench.log + caplog.text
