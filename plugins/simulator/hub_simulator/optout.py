"""STOP, START and HELP, which Twilio answers itself (Twilio: help article 223134027, opt-out keywords)."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

Keyword = Literal["STOP", "START", "HELP"]

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "ARRET"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
HELP_WORDS = frozenset({"HELP", "INFO"})
TOLL_FREE = re.compile(r"\+18(00|33|44|55|66|77|88)\d{7}")
SHORT_CODE = re.compile(r"\d{3,8}")

REPLIES: dict[Keyword, str] = {
    "STOP": "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe.",
    "START": "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
    "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}
TOLL_FREE_REPLIES: dict[Keyword, str] = {
    "STOP": 'NETWORK MSG: You replied with the word "stop" which blocks all texts sent from this number. '
    'Text back "unstop" to receive messages again.',
    "START": 'NETWORK MSG: You have replied "unstop" and will begin receiving messages again from this number.',
}


@dataclass(frozen=True)
class Reaction:
    """What Twilio does about a keyword."""

    keyword: Keyword
    reply: str
    """What the person is told; empty for nothing."""


class BlockList:
    """Who does not want messages from whom. A scope is a Messaging Service, or a number outside any service."""

    def __init__(self) -> None:
        self._blocked: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def blocks(self, scope: str, person: str) -> bool:
        """Whether the person has opted out of this scope."""
        with self._lock:
            return (scope, person) in self._blocked

    def react(self, number: str, service: str | None, person: str, body: str) -> Reaction | None:
        """Take a person's text; None if it is no keyword here."""
        keyword = _keyword(body)
        toll_free = TOLL_FREE.fullmatch(number) is not None
        if keyword is None or (service is None and SHORT_CODE.fullmatch(number)):
            return None  # stand-alone short codes have no default handling
        if toll_free and (keyword == "HELP" or body.strip().upper() == "YES"):
            return None  # toll-free opt-out is the network's: it knows no HELP, and YES does not opt in
        changed = self._change(service or number, person, keyword)
        replies = TOLL_FREE_REPLIES if toll_free else REPLIES
        return Reaction(keyword, replies[keyword] if changed else "")

    def _change(self, scope: str, person: str, keyword: Keyword) -> bool:
        """Apply a keyword; whether it deserves a reply: HELP always, the others when they changed something."""
        with self._lock:
            blocked = (scope, person) in self._blocked
            if keyword == "STOP":
                self._blocked.add((scope, person))
                return not blocked
            if keyword == "START":
                self._blocked.discard((scope, person))
                return blocked
            return True


def _keyword(body: str) -> Keyword | None:
    word = body.strip().upper()
    if word in STOP_WORDS:
        return "STOP"
    if word in START_WORDS:
        return "START"
    return "HELP" if word in HELP_WORDS else None
