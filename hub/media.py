"""Where attachments are kept (fsspec), how they get there, and the signed addresses that lead to them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, cast
from urllib.parse import urljoin
from uuid import UUID

import fsspec
import puremagic
from fsspec.implementations.dirfs import DirFileSystem

from hub.errors import ConfigError, HttpFailed, MediaFailed
from hub.http import REDIRECT_STATUSES, HttpClient
from hub.ids import uuid7
from hub.vault import Vault

LINK_SECONDS = 24 * 3600
"""How long a media link works. Twilio fetches at once; an assistant's webhook may look later the same day."""
FETCH_MAX_BYTES = 16_000_000
"""Largest inbound file: WhatsApp allows 16 MB, MMS 5 MB (Twilio: accepted MIME types)."""
FETCH_SECONDS = 20.0
_TEXT_TYPE = re.compile(r"text/[a-z0-9.+-]{1,40}")
NOT_READY_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Twilio may send the webhook before the file can be fetched; these are the waits while it says 404."""


class MediaStore:
    """Keeps the bytes of attachments under random keys.

    :param url: fsspec URL (``HUB_MEDIA_URL``): ``file://instance/media``, ``s3://bucket/prefix`` …
    :param public_url: where ``/media/…`` is reached from outside.
    """

    def __init__(self, url: str, vault: Vault, public_url: str) -> None:
        try:
            filesystem, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"HUB_MEDIA_URL: {error}") from None
        self._files = DirFileSystem(root, filesystem)
        self._vault = vault
        self._public_url = public_url

    def keep(self, data: bytes) -> str:
        """Store `data`; returns its key.

        :raises MediaFailed: the file system refuses.
        """
        key = uuid7().hex
        folder = key[-2:]
        try:
            self._files.makedirs(folder, exist_ok=True)
            with self._files.open(f"{folder}/{key}", "wb") as file:
                file.write(data)
        except OSError as error:
            raise MediaFailed(f"HUB_MEDIA_URL: cannot write: {error.strerror or error}", retryable=False) from error
        return key

    def open(self, key: str) -> BinaryIO:
        """The content kept under `key`; the caller closes it.

        :raises FileNotFoundError: it was purged.
        """
        return cast(BinaryIO, self._files.open(f"{key[-2:]}/{key}", "rb"))

    def delete(self, key: str) -> None:
        """Remove the content kept under `key`, if it is still there."""
        with suppress(FileNotFoundError):
            self._files.rm_file(f"{key[-2:]}/{key}")

    def url(self, attachment_id: UUID) -> str:
        """A signed address of an attachment; it works for a day."""
        return f"{self._public_url}/media/{self._vault.sign(attachment_id.hex)}"

    def attachment_of(self, token: str) -> UUID | None:
        """The attachment a token leads to, or None when it is forged or too old."""
        value = self._vault.verify(token, LINK_SECONDS)
        return UUID(hex=value) if value is not None else None


_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1"), "image/heif"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
}
"""Pictures in the container of films (ISO/IEC 23008-12), which are told from films by their brand."""


def sniff(data: bytes, hint: str = "") -> str:
    """The media type of `data` by its content; `hint` only decides what plain text is called."""
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        return _BRANDS[data[8:12]]
    try:
        found = puremagic.from_string(data, mime=True)
    except (puremagic.PureError, ValueError):
        found = ""
    if found:
        return found
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "application/octet-stream"
    return hint if _TEXT_TYPE.fullmatch(hint) else "text/plain"


def fetch(
    http: HttpClient, url: str, auth: tuple[str, str] | None, pause: Callable[[float], object] = time.sleep
) -> bytes:
    """Fetch inbound media, again while the provider says that it is not there yet.

    :param auth: credentials for the provider's own host; a redirect to another host does not get them.
    :param pause: waits the given seconds.
    :raises MediaFailed: it cannot be had.
    """
    for wait in (*NOT_READY_PAUSES, None):
        try:
            return _fetch_once(http, url, auth)
        except MediaFailed as error:
            if not error.retryable or wait is None:
                raise
            pause(wait)
    raise AssertionError("unreachable")


def _fetch_once(http: HttpClient, url: str, auth: tuple[str, str] | None) -> bytes:
    try:
        response = http.request("GET", url, auth=auth, timeout=FETCH_SECONDS, max_bytes=FETCH_MAX_BYTES)
        target = response.headers.get("location")
        if response.status in REDIRECT_STATUSES and target:
            # The address Twilio leads to is signed, and refuses a second kind of credentials even on the same host.
            response = http.request(
                "GET", urljoin(url, target), timeout=FETCH_SECONDS, max_bytes=FETCH_MAX_BYTES, redirects=4
            )
    except ValueError:
        raise MediaFailed("the media address leads to what is no address", retryable=False) from None
    except HttpFailed as error:
        raise MediaFailed(str(error), retryable=error.retryable) from error
    if response.status == 200:
        return response.body
    retryable = response.status in (404, 429) or response.status >= 500
    raise MediaFailed(f"the media address answered {response.status}", retryable=retryable)
