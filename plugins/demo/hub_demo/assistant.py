"""What the demo assistant says. It looks for a few words and understands nothing."""

from __future__ import annotations

from typing import Any

from hub import Answer, Assistant, Attachment, Turn
from hub_demo.picture import sunrise

HELLO = (
    "Hello! I am the demo assistant of the integration hub. I understand nothing, but everything between us works. "
    "Text me: picture, long, count, or anything else; or send me a picture."
)
HELP = (
    "picture: I send one. long: a text too long for one message. count: how often you texted. Anything else comes back."
)
PARAGRAPH = (
    "This is line {number} of a text that is too long for one message. It is cut where a reader would pause, and "
    "nothing of it is lost on the way. "
)
LONG_LINES = 14


class Demo(Assistant):
    """Echoes, counts turns, shows and describes pictures."""

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        """Answer by the first word of the text, or describe what came with it."""
        text = str(request["input"].get("text", "")).strip()
        count = turn.session.turn_count + 1
        said = [_described(attachment) for attachment in turn.attachments]
        generic = [_text(line) for line in said]
        if text or not said:
            generic += self._reply(text, count, turn)
        return Answer({"output": {"generic": generic}, "context": dict(request.get("context", {}))})

    def check(self) -> str:
        """Nothing can be wrong with it."""
        return "the demo assistant needs nothing"

    def _reply(self, text: str, count: int, turn: Turn) -> list[dict[str, Any]]:
        word = text.lower().strip(" .!?")
        if word in ("hello", "hi", "hey", "hallo", "hola", "bonjour"):
            return [_text(HELLO)]
        if word in ("help me", "what can you do", "menu"):
            return [_text(HELP)]
        if word == "picture":
            url = turn.attachments.add(sunrise(), "image/png", "sunrise.png").url
            return [
                {"response_type": "image", "source": url, "title": "A sunrise", "description": "Drawn just for you."}
            ]
        if word == "long":
            return [_text("".join(PARAGRAPH.format(number=number) for number in range(1, LONG_LINES + 1)).strip())]
        if word == "count":
            return [_text(f"This is your text number {count} in this conversation.")]
        if word == "smsresponsetimeout":
            return [_text("I have not heard from you for a while, so I close our conversation. Text me any time.")]
        return [_text(f"You said: {text}" if text else "You sent an empty text.")]


def _described(attachment: Attachment) -> str:
    size = f"{attachment.size / 1000:.1f} kB" if attachment.size >= 1000 else f"{attachment.size} bytes"
    kind = attachment.media_type.partition("/")[0]
    what = {"image": "a picture", "video": "a video", "audio": "a sound"}.get(kind, "a file")
    return f"I got {what} ({attachment.media_type}, {size})."


def _text(text: str) -> dict[str, Any]:
    return {"response_type": "text", "text": text}
