"""The text of PDF files and of plain documents, bounded in characters, pages and time.

pypdf is imported on first use. It is written in Python, so what it may cost is bounded here: by limits on what a PDF
may unfold to, and by a look at the clock at every operator of a page.
"""

from __future__ import annotations

import codecs
import logging
import re
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any

PDF_SECONDS = 10.0
MOST_UNFOLDED = 4_000_000
"""Bytes of one stream of a PDF, uncompressed; a page of dense text has some 10,000."""
MOST_OPERATORS = 200_000
"""Operators and operands of one page."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a document.

    :param truncated: there is more of it. :param missing: why there is none: ``encrypted``, ``broken``, ``no_time``,
        ``no_text`` (a scan, for example); else None.
    """

    content: str = ""
    truncated: bool = False
    missing: str | None = None


class _Enough(Exception):
    """There is enough text."""


class _Late(Exception):
    """There is no more time."""


def looks_like_text(data: bytes) -> bool:
    """Whether bytes that are not UTF-8 are a text nevertheless: UTF-16, or one byte a character."""
    if data.startswith(_UTF_16):
        return len(data) % 2 == 0
    return bool(data) and _BINARY.search(data) is None


def plain(data: bytes, most: int) -> Text:
    """The text of a plain document: UTF-8, UTF-16 if it says so in front, else Windows-1252 or Latin-1.

    :param most: characters.
    """
    # Four bytes are the most a character has; what is cut in the middle of one is beyond the limit anyway.
    decoded = _decoded(data[: 4 * most + 4])
    content = _UNPRINTABLE.sub("", decoded)
    return Text(content[:most], truncated=len(content) > most or len(data) > 4 * most + 4)


def _decoded(data: bytes) -> str:
    if data.startswith(_UTF_16):
        return data.decode("utf-16", "replace")
    try:
        # Not final: a character that was cut off at the end is no mistake.
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data)
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def of_pdf(data: bytes, most: int, pages: int, seconds: float = PDF_SECONDS) -> Text:
    """The text of the first `pages` pages of a PDF.

    :param most: characters. :param seconds: after that time, what there is has to do.
    """
    from pypdf import apply_configuration

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it quotes broken files
    limits: dict[str, Any] = {
        "disable_legacy_handling": True,
        "jbig2dec_binary": None,
        "zlib_maximum_output_length": MOST_UNFOLDED,
        "zlib_maximum_recovery_input_length": MOST_UNFOLDED // 10,
        "lzw_maximum_output_length": MOST_UNFOLDED,
        "run_length_maximum_output_length": MOST_UNFOLDED,
        "array_based_stream_maximum_output_length": MOST_UNFOLDED,
        "stream_decoding_work_maximum_length": 4 * MOST_UNFOLDED,
        "stream_parsing_work_maximum_count": MOST_OPERATORS,
        "page_tree_maximum_entries": 20_000,
        "xform_maximum_invocations_per_extraction": 500,
    }
    reading = _Reading(most, pages, time.monotonic() + seconds)
    try:
        with apply_configuration(**limits):
            reading.run(data)
    except _Enough:
        reading.cut = True
    except _Late:
        if not reading.length:
            return Text(missing="no_time")
        reading.cut = True
    except (Exception, RecursionError):  # pypdf raises many kinds of errors for what it does not understand
        if not reading.length:
            return Text(missing="broken")
        reading.cut = True
    return reading.text()


class _Reading:
    """One PDF being read.

    :ivar length: characters so far. :ivar cut: something was left out.
    """

    def __init__(self, most: int, pages: int, deadline: float) -> None:
        self._most, self._pages, self._deadline = most, pages, deadline
        self._parts: list[str] = []
        self._encrypted = False
        self.length = 0
        self.cut = False

    def run(self, data: bytes) -> None:
        from pypdf import PdfReader

        reader = PdfReader(BytesIO(data), strict=False, root_object_recovery_limit=1_000)
        # Many are encrypted with an empty password, so that they can be read but not changed.
        if reader.is_encrypted and not reader.decrypt(""):
            self._encrypted = True
            return
        for number, page in enumerate(reader.pages):
            if number >= self._pages:
                raise _Enough
            self._look_at_the_clock()
            content = page.extract_text(visitor_operand_before=self._look_at_the_clock)
            content = _UNPRINTABLE.sub("", content).strip()
            if content:
                self.length += len(content) + bool(self._parts)  # with the line break between two pages
                self._parts.append(content)
            if self.length > self._most:
                raise _Enough

    def text(self) -> Text:
        """What was read."""
        if self._encrypted:
            return Text(missing="encrypted")
        content = "\n".join(self._parts)[: self._most]
        return Text(content, truncated=self.cut) if content else Text(missing="no_text")

    def _look_at_the_clock(self, *_: Any) -> None:
        if time.monotonic() > self._deadline:
            raise _Late
