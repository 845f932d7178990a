"""Before the assistant is asked: which files it gets, and what it is told about them."""

from __future__ import annotations

import threading
import time
from typing import Any

from hub import Attachment, Refusal, Turn
from hub_attachments import pictures, texts
from hub_attachments.clamd import ScanFailed, address_of, scan
from hub_attachments.settings import AttachmentSettings
from hub_attachments.unusable import Unusable

NAME = "attachments"
LONGEST_NAME = 200
ROOM = threading.BoundedSemaphore(2)
"""Files examined at the same time in one process: a decoded picture of 50 million pixels has 200 MB."""
UNKNOWN = "application/octet-stream"


def before(settings: AttachmentSettings, turn: Turn, request: dict[str, Any]) -> dict[str, Any] | Refusal | None:
    """The request with the list of the turn's files in its context.

    A session that has had files gets an empty list on later turns, because assistants keep their context.

    :returns: None when nothing changes; a refusal when nothing of the turn is left and ``reject_message`` is set.
    """
    files = list(turn.attachments)
    if not files:
        if not turn.session.store.get("listed"):
            return None
        _variables(request)[NAME] = []
        return request
    examination = _Examination(settings, turn)
    found = [examination.entry(file) for file in files]
    turn.session.store["listed"] = True
    text = request["input"].get("text")
    if settings.reject_message and not len(turn.attachments) and not (isinstance(text, str) and text.strip()):
        return Refusal(settings.reject_message)
    _variables(request)[NAME] = found
    return request


def _variables(request: dict[str, Any]) -> dict[str, Any]:
    """The context variables of the request, made where they are missing."""
    place = request
    for name in ("context", "skills", "main skill", "user_defined"):
        if not isinstance(place.get(name), dict):
            place[name] = {}
        place = place[name]
    return place


def _media_type(file: Attachment) -> str:
    """The media type of `file`, where the host was told less than there is to see.

    What begins like a picture is one, whatever else it may be, so that nothing gets around the cleaning.
    """
    if file.media_type.startswith("image/"):
        return file.media_type
    with file.open() as content:
        picture = pictures.kind(content.read(pictures.HEAD_BYTES))
    if picture and picture != "image/bmp":  # two letters, with which texts begin too
        return picture
    if file.media_type == UNKNOWN and texts.looks_like_text(file.read()):
        return "text/plain"
    return file.media_type


class _Examination:
    """Goes through the files of one turn."""

    def __init__(self, settings: AttachmentSettings, turn: Turn) -> None:
        self._settings = settings
        self._turn = turn
        self._log = turn.services.log.bind(assistant=turn.assistant, correlation=turn.correlation)
        self._deadline = time.monotonic() + settings.time_limit
        self._accepted = 0
        self._characters = settings.max_text

    def entry(self, file: Attachment) -> dict[str, Any]:
        """What the assistant is told about `file`, which is cleaned or dropped on the way."""
        entry: dict[str, Any] = {"name": file.name[:LONGEST_NAME], "media_type": file.media_type, "size": file.size}
        try:
            entry |= self._examined(file)
            self._accepted += 1
        except Unusable as error:
            entry["rejected"] = error.reason
        except Exception as error:
            # A file nobody has looked at must not pass; and an error's text may quote it.
            self._log.error("attachment_not_examined", error=type(error).__name__, media_type=file.media_type)
            entry["rejected"] = "failed"
        if "rejected" in entry:
            self._log.warning(
                "attachment_rejected", reason=entry["rejected"], media_type=file.media_type, size=file.size
            )
            self._turn.attachments.drop(file)
        return entry

    def _examined(self, file: Attachment) -> dict[str, Any]:
        """What there is to say about an accepted file.

        :raises Unusable: it is not accepted.
        """
        if self._accepted >= self._settings.max_count:
            raise Unusable("too_many")
        if file.size > self._settings.max_bytes:
            raise Unusable("too_large")
        media_type = _media_type(file)
        if not self._settings.accepts(media_type):
            raise Unusable("type")
        if not self._left():
            raise Unusable("no_time")
        data = file.read()
        self._scan(data)  # another process works then, so it takes no room here
        if not ROOM.acquire(timeout=self._left()):
            raise Unusable("no_time")
        try:
            return self._read(file, data, media_type)
        finally:
            ROOM.release()

    def _left(self) -> float:
        """Seconds that are left for the files of the turn."""
        return max(0.0, self._deadline - time.monotonic())

    def _read(self, file: Attachment, data: bytes, media_type: str) -> dict[str, Any]:
        if media_type.startswith("image/"):
            return self._picture(file, data)
        if media_type == "application/pdf" and self._characters:
            seconds = min(texts.PDF_SECONDS, self._left())
            return self._text(media_type, texts.of_pdf(data, self._characters, self._settings.max_pages, seconds))
        if media_type.startswith("text/") and self._characters:
            return self._text(media_type, texts.plain(data, self._characters))
        return {"media_type": media_type}

    def _scan(self, data: bytes) -> None:
        settings = self._settings
        if settings.clamav is None:
            return
        try:
            signature = scan(address_of(settings.clamav), data, min(settings.clamav_timeout, self._left()))
        except ScanFailed as error:
            self._log.error("attachment_not_scanned", reason=str(error), then=settings.clamav_on_error)
            if settings.clamav_on_error == "reject":
                raise Unusable("not_scanned") from None
            return
        if signature is not None:
            self._log.warning("attachment_infected", signature=signature[:100])
            raise Unusable("infected")

    def _picture(self, file: Attachment, data: bytes) -> dict[str, Any]:
        settings = self._settings
        media_type = pictures.kind(data)
        if not pictures.decodable(media_type):
            if settings.strip_metadata:
                raise Unusable("not_cleaned")
            return {}
        result: bytes | None = pictures.cleaned(data, media_type, settings.max_pixels, strip=settings.strip_metadata)
        if result is not None and len(result) > settings.max_picture_bytes:
            result = pictures.smaller(data, media_type, settings.max_picture_bytes, settings.max_pixels)
        if result is None:
            raise Unusable("too_large")
        if result == data:
            return {}
        changed = self._turn.attachments.replace(file, result)
        return {"media_type": changed.media_type, "size": changed.size}

    def _text(self, media_type: str, text: texts.Text) -> dict[str, Any]:
        self._characters -= len(text.content)
        if text.missing is not None:
            return {"media_type": media_type, "text_missing": text.missing}
        told: dict[str, Any] = {"media_type": media_type, "text": text.content}
        return {**told, "text_truncated": True} if text.truncated else told
