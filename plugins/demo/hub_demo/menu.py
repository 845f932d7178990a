"""Everything the demo can show, in the order of its menu, and how a text finds it."""

from __future__ import annotations

from collections.abc import Sequence

from hub import Turn
from hub_demo import choices, elsewhere, files, incoming, sessions, texts
from hub_demo.entries import Entry, Reply, options

TITLE = (
    "Hello! I am the demo assistant of the integration hub. I understand nothing, but everything between us works. "
    "Answer with a number:"
)
GREETINGS = ("hi", "hey", "hallo", "hola", "bonjour", "help", "help me", "what can you do", "menu")


def _menu(_: Turn) -> Reply:
    return Reply([options(TITLE, [(entry.title, entry.word) for entry in MENU])])


_SHOWN: Sequence[Entry] = (
    *texts.ENTRIES,
    *files.ENTRIES,
    *incoming.ENTRIES,
    *choices.ENTRIES,
    *elsewhere.ENTRIES,
    *sessions.ENTRIES,
)
MENU: Sequence[Entry] = tuple(entry for entry in _SHOWN if entry.title)
"""The entries a person is offered; their numbers are their positions, from 1."""

ENTRIES: Sequence[Entry] = (Entry("hello", "", _menu, GREETINGS), *_SHOWN)
_BY_WORD = {word: entry for entry in ENTRIES for word in (entry.word, *entry.also)}


def find(said: str) -> Entry | None:
    """The entry that a person's text names, by its word or by its number in the menu; None if it names none.

    The hub knows the numbers of the last list only; the demo's own are good at any time.
    """
    word = said.lower().strip(" .!?")
    if word.isascii() and word.isdigit() and len(word) < 4 and 1 <= int(word) <= len(MENU):
        return MENU[int(word) - 1]
    return _BY_WORD.get(word)
