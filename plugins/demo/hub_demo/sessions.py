"""The session: further turns at once, its memory, its time-out, its end, and an answer that fails."""

from __future__ import annotations

from hub import AssistantFailed, Turn
from hub_demo.entries import Entry, Reply, command, text, texts

TIMEOUT_SECONDS = 60
FORCED = "forced"
"""Where the session keeps what the next turn, which the demo asked for itself, is to say."""


def _moment(turn: Turn) -> Reply:
    turn.session.store[FORCED] = "Here I am again: smsActForceNoInputTurn gave me a turn without a text of yours."
    return Reply([text("One moment, please ..."), command("smsActForceNoInputTurn")])


def _skip(turn: Turn) -> Reply:
    turn.session.store[FORCED] = "Done: skip_user_input gave me an empty turn."
    return Reply([text("I am not waiting for you ...")], system={"skip_user_input": True})


def forced(turn: Turn) -> Reply:
    """The answer to a turn that the demo asked for itself."""
    return texts(str(turn.session.store.pop(FORCED, "I asked for a turn, and here it is.")))


def _count(turn: Turn) -> Reply:
    return texts(f"This is your text number {turn.session.turn_count + 1} in this conversation.")


def _memory(turn: Turn) -> Reply:
    store = turn.session.store
    store["asked"] = store.get("asked", 0) + 1
    times = "once" if store["asked"] == 1 else f"{store['asked']} times"
    return texts(f"You have asked for this {times}. I keep the number with the session and forget it with the session.")


def _timeout(_: Turn) -> Reply:
    said = f"From now on our session ends {TIMEOUT_SECONDS} seconds after your last text; count tells."
    action = {"command": "setSessionTimeoutCount", "parameters": {"count": str(TIMEOUT_SECONDS)}}
    return Reply([text(said)], variables={"smsAction": action})


def _failure(_: Turn) -> Reply:
    raise AssistantFailed("demo", "the demo assistant was asked to fail", retryable=False)


def _goodbye(_: Turn) -> Reply:
    return Reply([text("Goodbye! Your next text begins a new session."), command("terminateSession")])


def farewell(_: Turn) -> Reply:
    """The answer when a session has timed out."""
    return texts("I have not heard from you for a while, so I close our conversation. Text me any time.")


ENTRIES = (
    Entry("moment", "A second answer without a text", _moment),
    Entry("skip", "A turn I ask for", _skip),
    Entry("count", "How many texts you sent", _count),
    Entry("memory", "What a session remembers", _memory),
    Entry("timeout", "A shorter session", _timeout),
    Entry("failure", "An answer that fails", _failure, ("fail", "error")),
    Entry("bye", "The end of the session", _goodbye, ("goodbye",)),
)
