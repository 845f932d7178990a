"""An assistant's response as text messages, for every text channel alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from hub.errors import AssistantFailed
from hub.log import get_logger
from hub.rendering.segments import split

CHANNEL = "text_messaging"
"""What the ``channels`` filter of a response element calls this kind of channel."""


MOST_LEVELS = 100
MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One message to send: a text, media addresses, or both."""

    text: str
    media: tuple[str, ...] = ()


def checked(response: Any) -> dict[str, Any]:
    """`response` if it has the form of a message response.

    :raises AssistantFailed: it is not an object with an ``output`` object whose ``generic`` is a list of objects.
    """
    output = response.get("output") if isinstance(response, dict) else None
    if not isinstance(output, dict):
        raise AssistantFailed("invalid_answer", "the answer has no output object", retryable=False)
    generic = output.get("generic", [])
    if not isinstance(generic, list) or not all(isinstance(element, dict) for element in generic):
        raise AssistantFailed("invalid_answer", "output.generic is not a list of objects", retryable=False)
    context = response.get("context", {})
    if not isinstance(context, dict):
        raise AssistantFailed("invalid_answer", "context is not an object", retryable=False)
    if not storable(response):
        raise AssistantFailed("invalid_answer", "the answer is not plain JSON or is nested too deep", retryable=False)
    return dict(response)


def storable(value: Any, levels: int = MOST_LEVELS) -> bool:
    """Whether `value` is plain JSON that can be copied, written and read again."""
    if value is None or isinstance(value, str | int):
        return True
    if isinstance(value, float):
        return isfinite(value)
    if not levels:
        return False
    if isinstance(value, dict):
        return all(isinstance(key, str) and storable(below, levels - 1) for key, below in value.items())
    return isinstance(value, list | tuple) and all(storable(below, levels - 1) for below in value)


def render(response: dict[str, Any], max_length: int, prepare: Callable[[str], str] = str) -> list[Part]:
    """The messages of a checked response, in order, none longer than `max_length` UTF-16 units.

    Texts and media are shown; what this version cannot show as a text message is passed over with a warning.

    :param prepare: the channel's own treatment of a text, before it is measured and split.
    """

    def pieces(text: str) -> list[str]:
        return split(prepare(_encodable(text)), max_length) if text.strip() else []

    parts: list[Part] = []
    for element in response["output"].get("generic", []):
        if _meant_for_text(element):
            parts.extend(_element(element, pieces))
        if len(parts) > MOST_PARTS:
            get_logger().warning("response_cut_off", most=MOST_PARTS)
            return parts[:MOST_PARTS]
    return parts


def _encodable(text: str) -> str:
    """`text` without what no store or provider takes: NUL, and halves of surrogate pairs (JSON allows both)."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _meant_for_text(element: dict[str, Any]) -> bool:
    """Whether the element's ``channels`` filter lets it through (message contract: absent means every channel)."""
    channels = element.get("channels")
    if not isinstance(channels, list) or not channels:
        return True
    return any(isinstance(channel, dict) and channel.get("channel") == CHANNEL for channel in channels)


def _element(element: dict[str, Any], pieces: Callable[[str], list[str]]) -> Iterator[Part]:
    kind = element.get("response_type")
    if kind == "text":
        text = element.get("text")
        if isinstance(text, str):
            yield from (Part(piece) for piece in pieces(text))
        else:
            get_logger().warning("response_text_skipped", found=type(text).__name__)
    elif kind in ("image", "video", "audio") and isinstance(element.get("source"), str):
        words = "\n".join(
            value for name in ("title", "description") if isinstance(value := element.get(name), str) and value.strip()
        )
        first, *rest = pieces(words) or [""]
        yield Part(first, (_encodable(element["source"]),))
        yield from (Part(piece) for piece in rest)
    else:
        get_logger().warning("response_type_skipped", response_type=str(kind)[:40], channel=CHANNEL)
