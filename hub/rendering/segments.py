"""How long a text message is, where to cut one that is too long, and how to make one cheaper.

A carrier bills segments. A text of GSM-7 characters takes one segment up to 160 septets, else one per 153; a single
character outside GSM-7 turns the whole text into UCS-2, which takes one segment up to 70 UTF-16 units, else one per 67.
(GSM 03.38; Twilio, "SMS character limits" and "Message resource".)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import regex

GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Characters of one septet."""

GSM_EXTENDED = "\f^{}\\[~]|€"
"""Characters of two septets: an escape and another one."""

_BASIC_ASCII = "".join(filter(str.isascii, GSM_BASIC)).encode()
_EXTENDED_ASCII = "".join(filter(str.isascii, GSM_EXTENDED)).encode()
_EXTENDED = re.compile(f"[{re.escape(GSM_EXTENDED)}]")
_OUTSIDE = re.compile(f"[^{re.escape(GSM_BASIC + GSM_EXTENDED)}]")
_ESCAPE = "\x1b"

_SPACE = r"[\s--[\u00a0\u2007\u202f]]"  # the three are there to keep two words together
_RUN = regex.compile(
    # Not where Unicode joins the white space with its neighbour into one visible character (UAX #29, GB9 to GB9b).
    rf"(?<!{_SPACE}|\p{{GCB=Prepend}}){_SPACE}+(?!\p{{GCB=Extend}}|\p{{GCB=ZWJ}}|\p{{GCB=SpacingMark}})",
    regex.VERSION1,
)
_SENTENCE_END = regex.compile(r"""[.!?…。！？]["'”’»)\]]{0,3}$""", regex.VERSION1)
_GRAPHEME = regex.compile(r"\X")

_PLAIN = str.maketrans(
    dict.fromkeys("‘’‚‛′‹›`´ʼ", "'")
    | dict.fromkeys("“”„‟″«»", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212•‣◦▪●\u2043", "-")  # hyphens, dashes, minus, bullets
    | {"…": "...", "·": ".", "\u2044": "/", "\u2028": "\n", "\u2029": "\n"}
    | dict.fromkeys("\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " ")
    | dict.fromkeys("\u00ad\u200b\u200e\u200f\u2060\ufeff", "")  # invisible: soft hyphen, zero width, direction marks
)
"""What a typographic character is replaced by. Letters are not in it: an accent can change the meaning of a word."""


@dataclass(frozen=True, slots=True)
class Length:
    """What a text takes on the air.

    :param units: septets of GSM-7, or UTF-16 units of UCS-2.
    :param segments: what is billed.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def measure(text: str) -> Length:
    """Encoding, units and segments of `text`; no character of two units is split over two segments.

    An empty text has no units and one segment: a message without text is still a message, and billed as one.
    The count is by code point; characters made of several (flags, families) may be split over segments.
    """
    escapes = _count_escapes(text)
    if escapes is None:
        return _measure_wide(text)
    units = len(text) + escapes
    if units <= 160:
        return Length("GSM-7", units, 1)
    if not escapes:
        return Length("GSM-7", units, -(-units // 153))
    septets = _EXTENDED.sub(_ESCAPE + "x", text)
    segments, start = 1, 0
    while units - start > 153:
        start += 152 if septets[start + 152] == _ESCAPE else 153
        segments += 1
    return Length("GSM-7", units, segments)


def _count_escapes(text: str) -> int | None:
    """How many characters of `text` take two septets; None if one is outside GSM-7."""
    if not text.isascii():
        return None if _OUTSIDE.search(text) else len(_EXTENDED.findall(text))
    # Bytes because deleting from them is one pass in C: this is asked for every message.
    others = text.encode().translate(None, _BASIC_ASCII)
    return len(others) if not others.translate(None, _EXTENDED_ASCII) else None


def _measure_wide(text: str) -> Length:
    encoded = text.encode("utf-16-be", "surrogatepass")
    size = len(encoded)
    if size <= 140:
        return Length("UCS-2", size // 2, 1)
    segments, start = 1, 0
    while size - start > 134:
        pair = 0xD8 <= encoded[start + 132] <= 0xDB and 0xDC <= encoded[start + 134] <= 0xDF
        start += 132 if pair else 134
        segments += 1
    return Length("UCS-2", size // 2, segments)


def split(text: str, limit: int = 1600) -> list[str]:
    """Cut `text` into parts of at most `limit` UTF-16 units, none of them blank.

    A cut is made at the best white space of the second half of a part (paragraph, line, sentence, word); else at the
    last white space after the first eighth; else between two visible characters (grapheme clusters, UAX #29); and
    only inside a visible character that is longer than `limit`, between two of its code points.

    Nothing is lost but white space: the run of it at which a cut is made is dropped, and a part of nothing else.
    So a text that fits comes back as it is, with white space at its ends, and a blank text gives no part.
    Non-breaking spaces are no place for a cut. The time is linear in the length of the text, whatever it holds.

    :param limit: at least 2, the size of the widest code point.
    """
    if limit < 2:
        raise ValueError("limit must be at least 2")
    parts: list[str] = []
    start = 0
    while start < len(text):
        end = _furthest(text, start, limit)
        stop, following = (end, end) if end == len(text) else _cut(text, start, end)
        part = text[start:stop]
        if part and not part.isspace():
            parts.append(part)
        start = following
    return parts


def _furthest(text: str, start: int, limit: int) -> int:
    """The last index up to which a part from `start` keeps to `limit`."""
    end = min(start + limit, len(text))
    # Leaving out k characters saves k to 2k units: half of the excess is never too many, and a few rounds are enough.
    while (excess := len(text[start:end].encode("utf-16-le", "surrogatepass")) // 2 - limit) > 0:
        end -= (excess + 1) // 2
    return end


def _cut(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the part from `start` stops, `end` at most, and where the next one begins."""
    size = end - start
    best: tuple[int, int] | None = None
    # One character beyond the first one left out, because a run must be seen to end.
    for run in _RUN.finditer(text, start + 1, end + 2):
        stop, strength = run.start(), 0
        if stop - start >= size // 2:
            strength = _strength(text, run)
        elif stop - start < size // 8 and run.end() <= end:
            continue  # too short a part, unless there is nothing but white space behind it
        if stop <= end:
            best = max(best or (0, 0), (strength, stop))
    if best:
        return best[1], _end_of_run(text, best[1])
    if (skipped := _end_of_run(text, start)) > end:  # nothing but white space
        return start, skipped
    stop = _last_boundary(text[start : end + 1], size)
    return start + stop, start + stop


def _strength(text: str, run: regex.Match[str]) -> int:
    """How good a place for a cut is: 3 between paragraphs, 2 lines, 1 sentences, 0 words."""
    if line_breaks := int(run.group().count("\n")):
        return min(line_breaks, 2) + 1
    return 1 if _SENTENCE_END.search(text[max(run.start() - 4, 0) : run.start()]) else 0


def _end_of_run(text: str, start: int) -> int:
    run = _RUN.match(text, start)
    end: int = run.end() if run else start
    return end


def _last_boundary(window: str, size: int) -> int:
    """The last index up to `size` between two grapheme clusters of `window`; `size` if the first one is longer.

    Whether there is a boundary depends on what stands before it and on one character behind it, so that a window of
    ``size + 1`` characters is enough. Never given a longer one: looking back is not linear for flags.
    """
    stop: int = 0
    for cluster in _GRAPHEME.finditer(window):
        if cluster.end() > size:
            break
        stop = cluster.end()
    return stop or size


def plain_punctuation(text: str) -> str:
    """`text` with typographic characters replaced by look-alikes of GSM-7, if that makes it GSM-7 as a whole.

    Otherwise, or if it would take more segments (an ellipsis becomes three full stops), the text comes back unchanged:
    nothing would be saved. The result can be longer than `text`; split it afterwards.
    """
    if _count_escapes(text) is not None:
        return text
    plain = text.translate(_PLAIN)
    if _count_escapes(plain) is None or measure(plain).segments > measure(text).segments:
        return text
    return plain
