"""After the assistant has answered: pictures that would not get into an MMS are replaced by ones that do."""

from __future__ import annotations

import time
from typing import Any

from hub import HttpFailed, Turn
from hub_attachments import pictures
from hub_attachments.incoming import ROOM
from hub_attachments.settings import AttachmentSettings
from hub_attachments.unusable import Unusable

FETCH_SECONDS = 10.0
FETCH_BYTES = 20_000_000
REDIRECTS = 3
MOST_PICTURES = 10
"""Pictures of one answer that are looked at; as many as a message may have (Twilio: Message resource, MediaUrl)."""
MESSAGE_CHANNELS = frozenset(("text_messaging", "whatsapp"))
"""Names in the ``channels`` filter of an element that stand for messages (message contract)."""


class _Left(Exception):
    """A picture stays as it is; the text says why."""


def after(settings: AttachmentSettings, turn: Turn, response: dict[str, Any]) -> dict[str, Any] | None:
    """The response with addresses of smaller pictures; None when nothing changes.

    A picture that cannot be fetched or converted stays as it is.
    """
    deadline = time.monotonic() + settings.time_limit
    replaced: dict[str, str] = {}  # sources seen, and what stands in their place
    for element in response["output"].get("generic", []):
        source = element.get("source")
        if element.get("response_type") != "image" or not isinstance(source, str) or not _for_messages(element):
            continue
        if source not in replaced:
            if len(replaced) == MOST_PICTURES:
                break
            replaced[source] = _fitted(settings, turn, source, deadline)
        element["source"] = replaced[source]
    return response if any(old != new for old, new in replaced.items()) else None


def _for_messages(element: dict[str, Any]) -> bool:
    """Whether the element's ``channels`` filter lets it through to messages; without one it does."""
    listed = element.get("channels")
    names = {each.get("channel") for each in listed if isinstance(each, dict)} if isinstance(listed, list) else set()
    return not names or not names.isdisjoint(MESSAGE_CHANNELS)


def _fitted(settings: AttachmentSettings, turn: Turn, source: str, deadline: float) -> str:
    """The address of a picture that fits: `source`, or that of a new attachment."""
    log = turn.services.log.bind(assistant=turn.assistant, correlation=turn.correlation)
    try:
        data = _fetched(turn, source, deadline)
        found = _converted(settings, data, deadline)
        if found is None:
            return source
        added = turn.attachments.add(found, pictures.kind(found), "picture")
        log.info("picture_replaced", size=len(data), by=added.size, media_type=added.media_type)
        return added.url
    except _Left as error:
        log.warning("picture_left", reason=str(error))
    except Unusable as error:
        log.warning("picture_left", reason=error.reason)
    except Exception as error:  # a picture that is too large is better than no answer
        log.error("picture_left", reason="failed", error=type(error).__name__)
    return source


def _fetched(turn: Turn, source: str, deadline: float) -> bytes:
    for attachment in turn.attachments:
        if attachment.url == source:  # the assistant shows what the person has sent
            return attachment.read()
    left = deadline - time.monotonic()
    if left <= 0:
        raise _Left("no_time")
    try:
        answer = turn.services.http.request(
            "GET", source, timeout=min(FETCH_SECONDS, left), max_bytes=FETCH_BYTES, redirects=REDIRECTS
        )
    except HttpFailed as error:
        raise _Left(str(error)) from None
    if answer.status != 200:
        raise _Left(f"answered {answer.status}")
    return answer.body


def _converted(settings: AttachmentSettings, data: bytes, deadline: float) -> bytes | None:
    """A picture in the place of `data`; None when it fits as it is.

    :raises _Left: it cannot be converted.
    """
    media_type = pictures.kind(data)
    if not pictures.decodable(media_type):
        raise _Left("type")
    if media_type in pictures.MMS_TYPES and len(data) <= settings.max_picture_bytes:
        return None
    left = deadline - time.monotonic()
    if left <= 0 or not ROOM.acquire(timeout=left):
        raise _Left("no_time")
    try:
        found = pictures.smaller(data, media_type, settings.max_picture_bytes, settings.max_pixels)
    finally:
        ROOM.release()
    if found is None:
        raise _Left("too_large")
    return found
