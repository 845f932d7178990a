"""Words by which a person stops and resumes messages (Twilio: "Twilio support for opt-out keywords").

Twilio acts on them itself and still calls the webhook, so the hub only has to take note.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

OptOut = Literal["stop", "start", "help"]

KEYWORDS: Mapping[str, OptOut] = {
    "STOP": "stop",
    "STOPALL": "stop",
    "UNSUBSCRIBE": "stop",
    "CANCEL": "stop",
    "END": "stop",
    "QUIT": "stop",
    "REVOKE": "stop",
    "OPTOUT": "stop",
    "ARRET": "stop",
    "START": "start",
    "YES": "start",
    "UNSTOP": "start",
    "HELP": "help",
    "INFO": "help",
}
"""The words of long codes and toll-free numbers, in English."""

TYPES: Mapping[str, OptOut] = {"STOP": "stop", "START": "start", "HELP": "help"}
"""Values of the webhook parameter OptOutType (Twilio: "Customize users' opt-in and opt-out experience")."""


def keyword(text: str) -> OptOut | None:
    """What `text` asks for if it is a keyword and nothing else; case and white space around it do not matter.

    >>> keyword(" Stop\\n"), keyword("STOP PLEASE")
    ('stop', None)
    """
    return KEYWORDS.get(_word(text))


def opt_out(text: str, opt_out_type: str | None, passed_on: frozenset[str]) -> OptOut | None:
    """What a text of a person changes about their consent, None for an ordinary text.

    :param opt_out_type: the parameter OptOutType; it comes with Advanced Opt-Out, where an account has words of its
        own, and therefore wins.
    :param passed_on: words in upper case that are ordinary texts to this integration, though Twilio knows them: an
        assistant that asks a question wants to hear YES.
    """
    if decided := TYPES.get(_word(opt_out_type or "")):
        return decided
    return None if _word(text) in passed_on else keyword(text)


def _word(text: str) -> str:
    # Not for other letters: upper() would make an S of the long ſ.
    return text.strip().upper() if text.isascii() else text.strip()
