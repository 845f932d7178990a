"""What leads to another channel, waits, or has no form in a text message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub import Turn
from hub_demo.entries import Element, Entry, Reply, always, text

CARD = {"body": [text("A card")], "footer": []}
CELL = {"items": [text("a cell")]}
WEB_CHAT: tuple[Element, ...] = (
    {"response_type": "iframe", "source": "https://www.example.com/map", "title": "A map"},
    {"response_type": "date"},
    {"response_type": "button", "label": "Press me", "button_type": "url", "url": "https://www.example.com/"},
    {"response_type": "card", **CARD},
    {"response_type": "carousel", "items": [{"response_type": "card", **CARD}]},
    {"response_type": "grid", "columns": [{"width": "1"}], "rows": [{"cells": [CELL]}]},
    {"response_type": "table", "headers": ["Day", "Hours"], "rows": [{"cells": ["Monday", "nine to five"]}]},
)
PHONE: tuple[Element, ...] = (
    {"response_type": "dtmf", "command_info": {"type": "collect", "parameters": {"termination_key": "#"}}},
    {"response_type": "speech_to_text", "command_info": {"type": "configure", "parameters": {}}},
    {"response_type": "text_to_speech", "command_info": {"type": "disable_barge_in", "parameters": {}}},
    {"response_type": "start_activities", "activities": [{"type": "dtmf_collection"}]},
    {"response_type": "stop_activities", "activities": [{"type": "dtmf_collection"}]},
    {"response_type": "end_session"},
)
TRANSFER: Element = {
    "response_type": "channel_transfer",
    "message_to_user": "Here we can go on in a web chat:",
    "transfer_info": {"target": {"chat": {"url": "https://www.example.com/chat"}}},
}
AGENT: Element = {
    "response_type": "connect_to_agent",
    "message_to_human_agent": "A person wants to see what connect_to_agent does.",
    "agent_available": {"message": "Somebody will be with you soon."},
    "agent_unavailable": {"message": "Nobody is there right now."},
    "transfer_info": {"target": {}},
    "topic": "The demo",
}


def _passed_over(where: str, elements: Sequence[Element]) -> Callable[[Turn], Reply]:
    """A reply of `elements`, with a text that names them."""
    names = ", ".join(element["response_type"] for element in elements)
    return always(text(f"Beside this text the answer has: {names}. They are for {where} and passed over."), *elements)


def _only(channel: str, said: str) -> Element:
    return {**text(said), "channels": [{"channel": channel}]}


_CHANNELS = always(
    text("Three texts follow: for a web chat, for text messages, and for the telephone. You get the second."),
    _only("chat", "This text is for a web chat."),
    _only("text_messaging", "This text is for text messages."),
    _only("voice_telephony", "This text is for the telephone."),
)
_PAUSE = always(
    text("Here an assistant wants a pause of two seconds."),
    {"response_type": "pause", "time": 2000, "typing": True},
    text("A text message has none, so this comes at once."),
)
_DATA = always(
    text("Beside this text the answer has data of its own (user_defined), which is not shown."),
    {"response_type": "user_defined", "user_defined": {"weather": {"degrees": 21, "sky": "clear"}}},
)
_UNKNOWN = always(
    text("Beside this text the answer has a hologram. No channel knows that response type, so it is passed over."),
    {"response_type": "hologram", "text": "You should not see this."},
)

ENTRIES = (
    Entry("transfer", "A link to another channel", always(TRANSFER)),
    Entry("agent", "A human agent", always(text("No human agent is reached by text message, so I tell you."), AGENT)),
    Entry("pause", "A pause", _PAUSE),
    Entry("data", "Data that is not shown", _DATA),
    Entry("channels", "Elements for other channels", _CHANNELS),
    Entry("chat", "What only a web chat shows", _passed_over("a web chat", WEB_CHAT)),
    Entry("phone", "What only a telephone does", _passed_over("the telephone", PHONE)),
    Entry("unknown", "A type nobody knows", _UNKNOWN),
)
