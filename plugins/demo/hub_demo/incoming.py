"""What a person sent beside a text: type, size, and the words in it if the plugin ``attachments`` has read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import Turn
from hub_demo.entries import Entry, always, text

SHOWN_CHARACTERS = 300
INVITATION = "Send me a picture, a sound, a film or a PDF, and I say what came: what it is, and how big."


def described(request: Mapping[str, Any], turn: Turn) -> list[str]:
    """A sentence or two about each file of the turn."""
    listed = _listed(request)
    return [_sentences(entry) for entry in listed] or [
        _sentences({"media_type": file.media_type, "size": file.size}) for file in turn.attachments
    ]


def _listed(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the plugin ``attachments`` says about the files: rejected ones are not in the turn any more."""
    value: Any = request
    for name in ("context", "skills", "main skill", "user_defined", "attachments"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _sentences(file: Mapping[str, Any]) -> str:
    media_type, size = str(file.get("media_type", "")), _number(file.get("size"))
    shown_size = f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} bytes"
    kind = media_type.partition("/")[0]
    what = {"image": "a picture", "video": "a video", "audio": "a sound"}.get(kind, "a file")
    if "rejected" in file:
        return f"I did not get {what} ({media_type}, {shown_size}): it was not accepted ({file['rejected']})."
    words = " ".join(str(file.get("text", "")).split())
    shown = words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS].rstrip()} ..."
    return f"I got {what} ({media_type}, {shown_size})." + (f" It says: {shown}" if shown else "")


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


ENTRIES = (Entry("files", "What you send me", always(text(INVITATION))),)
