"""An assistant's response as text messages, for every text channel alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.characters import encodable
from hub.contract import checked, storable
from hub.log import get_logger
from hub.rendering.choices import Choice
from hub.rendering.elements import Block, Scene, blocks
from hub.rendering.segments import split

__all__ = ["CHANNEL", "MOST_PARTS", "Part", "Rendered", "Style", "checked", "messages", "render", "storable"]

CHANNEL = "text_messaging"
"""What the ``channels`` filter of a response element calls text messages."""

PREFIX = "%s. "
MOST_PARTS = 100
MOST_MEDIA = 10
"""Addresses in one message."""


@dataclass(frozen=True, slots=True)
class Part:
    """One message to send: a text, media addresses, or both."""

    text: str
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Style:
    """How a channel, and a session, want their messages.

    :param max_length: UTF-16 units of the longest message.
    :param prepare: the channel's own treatment of a text, before it is measured and split.
    :param option_prefix: stands before the label of an option; ``%s`` becomes the number.
    :param suggestion_prefix: the same for suggestions; a space follows unless it ends in white space.
    :param combine: join the texts of an answer into as few messages as keep their order; else each element is one.
    :param channel: what the ``channels`` filter of an element calls the channel.
    """

    max_length: int
    prepare: Callable[[str], str] = str
    option_prefix: str = PREFIX
    suggestion_prefix: str = PREFIX
    combine: bool = True
    channel: str = CHANNEL


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer as messages.

    :param choices: the numbered entries of all its lists; they are plain JSON.
    """

    parts: list[Part]
    choices: list[Choice]


def messages(response: Mapping[str, Any], style: Style, media: Sequence[str] = ()) -> Rendered:
    """The messages of a checked response, in order; at most 100, with a warning if there were more.

    What has no form as a text message is passed over with a warning. An image, sound or film is a message of its own;
    combined texts before it are in that message if they fit.

    :param media: addresses of files to send after everything else, ten in a message.
    """
    scene = Scene(encodable(style.option_prefix), encodable(style.suggestion_prefix), [], style.channel)
    pages = _Pages(style)
    for element in _elements(response["output"]):
        if not meant_for(style.channel, element):
            continue
        for block in blocks(element, scene):
            pages.add(block)
        if len(pages.parts) > MOST_PARTS:
            break
    pages.turn()
    addresses = [address for each in media if (address := encodable(each).strip())]
    attached = [
        Part("", tuple(addresses[start : start + MOST_MEDIA])) for start in range(0, len(addresses), MOST_MEDIA)
    ]
    parts = [*pages.parts, *attached]
    if len(parts) > MOST_PARTS:
        get_logger().warning("response_cut_off", most=MOST_PARTS)
    return Rendered(parts[:MOST_PARTS], scene.choices)


def render(response: dict[str, Any], max_length: int, prepare: Callable[[str], str] = str) -> list[Part]:
    """The messages of a checked response, one or more for each element, none longer than `max_length` UTF-16 units."""
    return messages(response, Style(max_length, prepare, combine=False)).parts


def _elements(output: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The elements of an answer; dialogs of old list their texts beside them, or instead."""
    if isinstance(generic := output.get("generic"), list):
        yield from (element for element in generic if isinstance(element, dict))
        return
    texts = output.get("text")
    for text in texts if isinstance(texts, list) else [texts]:
        if text is not None:
            yield {"response_type": "text", "text": text}


def meant_for(channel: str, element: Mapping[str, Any]) -> bool:
    """Whether the element's ``channels`` filter lets it through (message contract: absent means every channel)."""
    listed = element.get("channels")
    if not isinstance(listed, list) or not listed:
        return True
    return any(isinstance(each, dict) and each.get("channel") == channel for each in listed)


class _Pages:
    """Puts what the elements say on messages, one after the other.

    :ivar parts: finished messages.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._open: str | None = None  # a text that more may be joined to
        self._units = 0  # its length
        self.parts: list[Part] = []

    def add(self, block: Block) -> None:
        """Put one more block on."""
        prepared = self._style.prepare(block.text) if block.text.strip() else ""
        pieces = split(prepared, self._style.max_length)
        if block.media:
            self._put(pieces[0] if pieces else "")
            self.parts.append(Part(self._open or "", (block.media,)))
            self._open = None
            pieces = pieces[1:]
        for position, piece in enumerate(pieces):
            if position:
                self.turn()
            self._put(piece)

    def turn(self) -> None:
        """Finish the open message."""
        if self._open is not None:
            self.parts.append(Part(self._open))
            self._open = None

    def _put(self, text: str) -> None:
        """Join `text` to the open message if it fits, else open a new one with it."""
        units = _units(text)
        if self._open is not None and text:
            if self._style.combine and self._units + 1 + units <= self._style.max_length:
                self._open, self._units = f"{self._open}\n{text}", self._units + 1 + units
                return
            self.turn()
        if self._open is None:
            self._open, self._units = text, units
        elif not self._style.combine:
            self.turn()


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
