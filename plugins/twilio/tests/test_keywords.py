"""A person's STOP is heard; a sentence that holds the word is not taken for it."""

from __future__ import annotations

import pytest
from hub_twilio.keywords import KEYWORDS, OptOut, keyword, opt_out
from hypothesis import given
from hypothesis import strategies as st

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT ARRET", "stop"),
        ("START YES UNSTOP", "start"),
        ("HELP INFO", "help"),
    ],
)
def test_every_word_in_any_case_and_with_white_space(words: str, meaning: OptOut) -> None:
    for word in words.split():
        for text in (word, word.lower(), word.title(), f"  {word}\r\n", f"\u00a0{word}\t"):
            assert keyword(text) == meaning


@pytest.mark.parametrize(
    "text", ["", " ", "STOP PLEASE", "please stop", "STOP.", "STOP STOP", "stopp", "S T O P", "ſtop", "y", "yes!", "🛑"]
)
def test_other_texts_are_no_keywords(text: str) -> None:
    assert keyword(text) is None
    assert opt_out(text, None, NONE) is None


@pytest.mark.parametrize(
    ("text", "opt_out_type", "passed_on", "meaning"),
    [
        ("stop", None, NONE, "stop"),
        ("stop", "", NONE, "stop"),
        ("stop", "SOMETHING NEW", NONE, "stop"),
        ("hello", "STOP", NONE, "stop"),  # an account's own word
        ("hola", "start", NONE, "start"),
        ("stop", "HELP", NONE, "help"),
        ("Yes", None, NONE, "start"),
        ("Yes ", None, frozenset({"YES"}), None),
        ("start", None, frozenset({"YES"}), "start"),
        ("yes", "START", frozenset({"YES"}), "start"),
        ("hello", None, frozenset({"YES"}), None),
    ],
)
def test_opt_out_type_wins_then_passed_on_words(
    text: str, opt_out_type: str | None, passed_on: frozenset[str], meaning: OptOut | None
) -> None:
    assert opt_out(text, opt_out_type, passed_on) == meaning


@given(st.text(), st.none() | st.text())
def test_any_text_has_an_answer(text: str, opt_out_type: str | None) -> None:
    assert opt_out(text, opt_out_type, frozenset(KEYWORDS)) in (None, "stop", "start", "help")
