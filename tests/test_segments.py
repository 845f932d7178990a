"""Segments are counted as the carrier bills them, long texts are cut where a reader would, and nothing is lost."""

from __future__ import annotations

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from hub.rendering.segments import GSM_BASIC, GSM_EXTENDED, Length, measure, plain_punctuation, split

TRICKY = (
    GSM_BASIC
    + GSM_EXTENDED
    + "\t\u00a0\u2028 ’…çê日👍\U0001f3fd\U0001f468\u200d\U0001f469\U0001f1e9\U0001f1ea"
    + "\u0301\u0600\u0903\u1100\u1161\r\n"
)
"""Characters of every width, and every kind that joins its neighbours."""

texts = st.text(st.sampled_from(TRICKY), max_size=400)
wordy = st.lists(
    st.sampled_from(["a", "word ", "end. ", "\n", "\n\n", "   ", "👍🏽", "e\u0301", "x" * 30]), max_size=80
).map("".join)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("text", "encoding", "count", "segments"),
    [
        # One segment holds 160, several hold 153 each.
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("a" * 1600, "GSM-7", 1600, 11),
        # Extension characters take two septets …
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("{}[]\\~^|€\f", "GSM-7", 20, 1),
        # … which stay together.
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),
        ("a" * 151 + "€" + "a" * 153, "GSM-7", 306, 2),
        ("€" * 152, "GSM-7", 304, 2),
        ("€" * 153, "GSM-7", 306, 3),
        # UCS-2: one holds 70, several 67 each.
        ("’" * 70, "UCS-2", 70, 1),
        ("’" * 71, "UCS-2", 71, 2),
        ("’" * 134, "UCS-2", 134, 2),
        ("’" * 135, "UCS-2", 135, 3),
        ("’" * 1600, "UCS-2", 1600, 24),
        # Surrogate pairs stay together.
        ("👍" * 35, "UCS-2", 70, 1),
        ("👍" * 36, "UCS-2", 72, 2),
        ("👍" * 66, "UCS-2", 132, 2),
        ("👍" * 67, "UCS-2", 134, 3),
        ("’" * 66 + "👍" + "’" * 66, "UCS-2", 134, 3),
        ("’" * 67 + "👍" + "’" * 65, "UCS-2", 134, 2),
        # What looks like GSM-7 and is not, and the other way round.
        ("ç", "UCS-2", 1, 1),
        ("ê", "UCS-2", 1, 1),
        ("`", "UCS-2", 1, 1),
        ("a\tb", "UCS-2", 3, 1),
        ("\x1b", "UCS-2", 1, 1),
        ("Grüße, 5 £ für Ærø\r\n", "GSM-7", 20, 1),
        ("ΔΦΓΛΩΠΨΣΘΞ", "GSM-7", 10, 1),
        ("αβγ", "UCS-2", 3, 1),
        ("x" * 159 + "’", "UCS-2", 160, 3),
        # A message without text is billed too.
        ("", "GSM-7", 0, 1),
    ],
)
def test_counts_as_the_carrier_bills(text: str, encoding: str, count: int, segments: int) -> None:
    assert measure(text) == Length(encoding, count, segments)  # type: ignore[arg-type]


def simulated(text: str) -> int:
    """Pack characters into segments one by one, by the plain reading of the rule."""
    if all(c in GSM_BASIC + GSM_EXTENDED for c in text):
        widths, single, several = [1 + (c in GSM_EXTENDED) for c in text], 160, 153
    else:
        widths, single, several = [units(c) for c in text], 70, 67
    if sum(widths) <= single:
        return 1
    segments = [0]
    for width in widths:
        if segments[-1] + width > several:
            segments.append(0)
        segments[-1] += width
    return len(segments)


@given(st.one_of(texts, st.text(), st.text(st.sampled_from(GSM_BASIC + GSM_EXTENDED * 9), max_size=700)))
def test_counts_as_packing_one_by_one(text: str) -> None:
    assert measure(text).segments == simulated(text)


def test_alphabet_has_the_127_characters_and_10_extensions() -> None:
    # 128 places, one of them the escape.
    assert len(set(GSM_BASIC)) == len(GSM_BASIC) == 127
    assert len(set(GSM_EXTENDED)) == len(GSM_EXTENDED) == 10


def test_half_a_surrogate_pair_is_counted_and_cut_without_failing() -> None:
    assert measure("\ud83d").units == 1
    assert split("\ud83d" * 5, 2) == ["\ud83d" * 2, "\ud83d" * 2, "\ud83d"]


def cuts(text: str, parts: list[str]) -> list[tuple[int, int]]:
    """The stretches of `text` that are in no part, the empty ones between two parts too; fails if more is lost."""
    found, here = [], 0
    for part in parts:
        start = here
        while not text.startswith(part, start):
            assert text[start].isspace(), f"{text[start]!r} at {start} is lost"
            start += 1
        found.append((here, start))
        here = start + len(part)
    assert not text[here:].strip()
    return [*found, (here, len(text))]


@given(st.one_of(texts, wordy), st.integers(2, 70))
@example("a" * 9 + " \u0301b", 10)
@example(" " * 30 + "a", 10)
@example("a" + " " * 30 + "a", 10)
@example("a" * 9 + "\u0600  b", 10)
@example("\U0001f1e9\U0001f1ea" * 9, 10)
def test_parts_fit_and_nothing_is_lost(text: str, limit: int) -> None:
    parts = split(text, limit)

    assert all(units(part) <= limit and not part.isspace() for part in parts)
    if text.strip() and units(text) <= limit:
        assert parts == [text]
    cuts(text, parts)


@given(st.one_of(texts, wordy), st.integers(2, 70))
def test_no_cut_within_a_visible_character(text: str, limit: int) -> None:
    clusters = [match.span() for match in regex.finditer(r"\X", text)]

    for cut in cuts(text, split(text, limit)):
        for index in cut:
            broken = [text[start:end] for start, end in clusters if start < index < end]
            assert all(units(cluster) > limit for cluster in broken)


@given(wordy, st.integers(40, 200))
def test_words_that_fit_stay_whole(text: str, limit: int) -> None:
    text = text.replace("x" * 30, "x" * 4 + " ")  # then every word is shorter than an eighth of the longest part
    words = text.split()
    if all(units(word) < limit // 8 for word in words):
        assert [word for part in split(text, limit) for word in part.split()] == words


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("aaaa aaaa aaaa aaaa", ["aaaa aaaa aaaa", "aaaa"]),  # as much as fits
        ("aaaa aaa. aaa aaaa", ["aaaa aaa.", "aaa aaaa"]),  # a sentence before a word
        ("aaaa 'aaa.' a\naaaa", ["aaaa 'aaa.' a", "aaaa"]),  # a line before a sentence
        ("aaaa\n\naaa\naaaaaa aa", ["aaaa\n\naaa", "aaaaaa aa"]),  # a paragraph only in the second half
        ("aaaaaaa\n\naaa\naaaaaa aa", ["aaaaaaa", "aaa\naaaaaa aa"]),  # a paragraph before a line
        ("aaaaaaa\r\n\r\naaa\r\naaaaa", ["aaaaaaa", "aaa\r\naaaaa"]),
        ("aaa aaaaaaaaaaaaa", ["aaa", "aaaaaaaaaaaaa"]),  # better a short part than a broken word
        ("aaaaaaaaaaaaaa aaa", ["aaaaaaaaaaaaaa", "aaa"]),  # the white space just behind the limit
        ("aaaaaaaaaa      \n    aaa", ["aaaaaaaaaa", "aaa"]),  # the whole run is dropped
        ("  aaaaaaaa aaaaaa  ", ["  aaaaaaaa", "aaaaaa  "]),  # at the ends it stays
        ("aaaaaaaaa\u00a0aaaa aaa", ["aaaaaaaaa\u00a0aaaa", "aaa"]),
        ("aaaaaaaaa\u00a0aaaaa aaa", ["aaaaaaaaa\u00a0aaaa", "a aaa"]),  # words tied together are one
        ("aaaaaaaaaa. 。aaaa", ["aaaaaaaaaa.", "。aaaa"]),
        ("", []),
        (" \n ", []),
        (" " * 50, []),
        (" " * 50 + "a", ["a"]),
        ("a" + " " * 50, ["a"]),
        ("a" + " " * 13, ["a" + " " * 13]),
        ("👍👍👍👍👍👍👍👍", ["👍👍👍👍👍👍👍", "👍"]),
        ("a👍👍👍👍👍👍👍👍", ["a👍👍👍👍👍👍", "👍👍"]),
        ("🇩🇪🇫🇷🇮🇹🇪🇸", ["🇩🇪🇫🇷🇮🇹", "🇪🇸"]),
        ("aaaaaaaaaaaaae\u0301a", ["aaaaaaaaaaaaa", "e\u0301a"]),
        ("aaaaaaaaaaaaa\r\na", ["aaaaaaaaaaaaa", "a"]),
        ("e" + "\u0301" * 20, ["e" + "\u0301" * 13, "\u0301" * 7]),  # one character longer than a message
    ],
)
def test_cuts_where_a_reader_would(text: str, parts: list[str]) -> None:
    assert split(text, 14) == parts


def test_rather_breaks_a_word_than_sends_a_tiny_part() -> None:
    assert split("abcd " + "x" * 50, 40) == ["abcd " + "x" * 35, "x" * 15]
    assert split("abcde " + "x" * 50, 40) == ["abcde", "x" * 40, "x" * 10]


def test_limit_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        split("👍", 1)


@pytest.mark.parametrize(
    "unit",
    [
        *("\u0301", "\U0001f1e9", "\U0001f468\u200d", "\u0600", "\u0915\u094d", " \u0301"),
        *("a", " ", "\n", "\u00a0", "a ", ". ", "x" * 300 + " " * 5000),
    ],
    ids=ascii,
)
def test_long_hostile_text_is_cut_at_all(unit: str) -> None:
    # With anything but linear time this would take minutes.
    text = unit * (300_000 // len(unit))
    assert all(units(part) <= 1600 for part in split(text))
    assert measure(text).units == units(text)
    assert plain_punctuation(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("It’s “fine” – really…", 'It\'s "fine" - really...'),
        ("a\u00a0b\u2009c\td", "a b c d"),
        ("`ls`", "'ls'"),
        ("• one\u2028• two", "- one\n- two"),
        ("co\u00adop\ufeff", "coop"),
        ("Grüße für 5 €", "Grüße für 5 €"),
        ("«Ærø»", '"Ærø"'),
        ("plain", "plain"),
        ("", ""),
        ("It’s 👍", "It’s 👍"),  # stays UCS-2, so nothing would be saved
        ("’ç", "’ç"),
        ("…" * 54, "…" * 54),  # 162 full stops would take two segments
        ("…" * 53, "." * 159),
    ],
)
def test_typographic_characters_become_plain_where_that_saves(text: str, plain: str) -> None:
    assert plain_punctuation(text) == plain


@given(st.text(st.sampled_from(TRICKY + "…“”–—\u200b"), max_size=60))
def test_plain_punctuation_never_costs(text: str) -> None:
    plain = plain_punctuation(text)

    assert plain == text or measure(plain).encoding == "GSM-7"
    assert measure(plain).segments <= measure(text).segments
    assert plain_punctuation(plain) == plain
