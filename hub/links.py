"""Files an answer shows, each sent as a file if the recipient can take it, and as a link to it otherwise.

A provider reports a file it does not take long after it accepted the message, and the person then gets nothing, not
even the text. So media type and size are looked up before a message is handed over, and the channel judges them.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from sqlalchemy import select
from structlog.typing import FilteringBoundLogger

from hub.channels import TextChannel
from hub.errors import HttpFailed
from hub.http import REDIRECT_STATUSES, HttpClient, HttpResponse, origin, same_host
from hub.media import MediaStore
from hub.rendering.text import Part
from hub.store import Store
from hub.store.models import Attachment

MOST_MEDIA = 10
"""Files of one message (Twilio: Message resource, parameter MediaUrl)."""
REDIRECTS = 3
LOOKUP_SECONDS = 3.0
"""For one address. An answer waits for it, so a slow server is not asked for long."""
ANSWER_SECONDS = 10.0
"""For all addresses of one answer; the rest is sent unseen."""
LONGEST_ADDRESS = 8_000
MOST_BYTES = 65_536
"""Read of a server that answers with the file although one byte of it was asked for."""
CACHED = 1_000
CACHED_SECONDS = 600.0
DOUBT_SECONDS = 60.0
"""How long a server that did not tell is left alone."""

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_WHOLE_SIZE = re.compile(r"bytes [0-9]+-[0-9]+/([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a file that stands at an address.

    :param media_type: lower case, without parameters; empty when nobody knows.
    :param size: bytes, or None when nobody knows.
    :param doubt: why nobody knows, for the log.
    """

    media_type: str = ""
    size: int | None = None
    doubt: str = ""


Own = Callable[[str], Facts | None]
"""Facts of an address of the hub's own media; None for every other address."""


def own_media(store: Store, media: MediaStore, public_url: str) -> Own:
    """What the store knows of the hub's own media addresses: the hub never calls itself to find out.

    :param public_url: the one `media` was made with.
    """
    path = urlsplit(public_url).path + "/media/"

    def own(url: str) -> Facts | None:
        try:
            parts = urlsplit(url)
            if not same_host(url, public_url) or not parts.path.startswith(path):
                return None
        except ValueError:
            return None
        identifier = media.attachment_of(parts.path.removeprefix(path))
        if identifier is None:
            return Facts(doubt="the media link is forged or too old")
        with store.read() as connection:
            row = connection.execute(
                select(Attachment.media_type, Attachment.size).where(
                    Attachment.id == identifier, Attachment.state == "stored"
                )
            ).one_or_none()
        return Facts(row.media_type, row.size) if row is not None else Facts(doubt="the attachment is not there")

    return own


class Lookup:
    """Finds out media type and size of an address, and remembers them for ten minutes.

    :param own: answers the hub's own addresses, redirects to them included.
    :param monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, http: HttpClient, own: Own, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._own = own
        self._monotonic = monotonic
        self._known: OrderedDict[bytes, tuple[float, Facts]] = OrderedDict()
        self._lock = threading.Lock()

    def facts(self, url: str) -> Facts:
        """What stands at `url`; at most 3 seconds for a server that has to be asked."""
        if (known := self._own(url)) is not None:
            return known
        if len(url) > LONGEST_ADDRESS:
            return Facts(doubt=f"the address has more than {LONGEST_ADDRESS} characters")
        # Addresses may hold secrets, so the cache holds their digests.
        key = hashlib.sha256(url.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            expires, facts = self._known.get(key, (0.0, Facts()))
            if expires > self._monotonic():
                self._known.move_to_end(key)
                return facts
        facts = self._ask(url)
        with self._lock:
            self._known[key] = self._monotonic() + (DOUBT_SECONDS if facts.doubt else CACHED_SECONDS), facts
            self._known.move_to_end(key)
            while len(self._known) > CACHED:
                self._known.popitem(last=False)
        return facts

    def _ask(self, url: str) -> Facts:
        deadline = time.monotonic() + LOOKUP_SECONDS
        try:
            for _ in range(REDIRECTS + 1):
                response = self._headers(url, deadline)
                target = response.headers.get("location")
                if response.status not in REDIRECT_STATUSES or not target:
                    return _told(response)
                url = urljoin(url, target)
                if (known := self._own(url)) is not None:
                    return known
        except HttpFailed as error:
            return Facts(doubt=str(error))
        except ValueError:
            return Facts(doubt=f"{origin(url)} redirects to what is no address")
        return Facts(doubt=f"{origin(url)} redirects more than {REDIRECTS} times")

    def _headers(self, url: str, deadline: float) -> HttpResponse:
        """The answer to HEAD, or to GET for one byte where HEAD is refused, as signed addresses of a GET do.

        :raises HttpFailed: there is none.
        """
        response = self._http.request("HEAD", url, timeout=deadline - time.monotonic())
        if response.status < 400:
            return response
        left = deadline - time.monotonic()
        return self._http.request("GET", url, headers={"Range": "bytes=0-0"}, timeout=left, max_bytes=MOST_BYTES)


def _told(response: HttpResponse) -> Facts:
    """The facts of an answer that is no redirect."""
    if response.status not in (200, 206):
        return Facts(doubt=f"{origin(response.url)} answered {response.status}")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type:
        media_type = _types().guess_type(urlsplit(response.url).path, strict=False)[0] or ""
    if not _MEDIA_TYPE.fullmatch(media_type):
        return Facts("", _size(response), f"{origin(response.url)} names no media type")
    return Facts(media_type, _size(response))


def _size(response: HttpResponse) -> int | None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return None  # the length is that of the compressed form
    if response.status == 206:
        whole = _WHOLE_SIZE.fullmatch(response.headers.get("content-range", ""))
        return int(whole[1]) if whole else None
    if response.body:
        return len(response.body)
    length = response.headers.get("content-length", "")
    # Servers that do not make the body for a HEAD sometimes say 0.
    return int(length) or None if length.isascii() and length.isdigit() and len(length) < 16 else None


@lru_cache(maxsize=1)
def _types() -> mimetypes.MimeTypes:
    """Python's own table of extensions, which is the same on every machine."""
    return mimetypes.MimeTypes()


def deliverable(
    parts: list[Part],
    channel: TextChannel,
    sender: str,
    recipient: str,
    lookup: Lookup,
    log: FilteringBoundLogger,
    here: Mapping[str, Facts] | None = None,
) -> list[Part]:
    """`parts` with each file the recipient cannot take as an address in the text, and at most ten files a message.

    An address goes to the end of its message's text; where it does not fit any more, into a message of its own after
    it. A file nobody can judge stays a file: the provider may reach what the hub cannot.

    :param log: bound with what identifies the answer (integration, correlation).
    :param here: facts of addresses that are known already, such as the turn's own attachments, which are not
        committed yet.
    """
    if not any(part.media for part in parts):
        return parts
    limits = type(channel).media_refused is not TextChannel.media_refused
    judge = _Judge(channel, sender, recipient, lookup, log, here or {}).judge if limits else _take
    return [each for part in parts for each in _split(part, channel.max_length, judge)]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Why a file is refused, or None and its size (0 when nobody knows)."""

    reason: str | None
    size: int


def _take(_url: str, _total: int) -> _Verdict:
    """For channels that take everything: nobody is asked."""
    return _Verdict(None, 0)


class _Judge:
    """Judges the files of one answer, and logs what it decides."""

    def __init__(
        self,
        channel: TextChannel,
        sender: str,
        recipient: str,
        lookup: Lookup,
        log: FilteringBoundLogger,
        here: Mapping[str, Facts],
    ) -> None:
        self._here = here
        self._channel, self._ends, self._lookup, self._log = channel, (sender, recipient), lookup, log
        self._deadline = time.monotonic() + ANSWER_SECONDS
        self._never = channel.media_refused("", None, *self._ends)
        """Why no file at all gets there; then nobody has to be asked."""

    def judge(self, url: str, total: int) -> _Verdict:
        """Whether the file at `url` goes into a message with files of `total` bytes."""
        facts = Facts() if self._never else self._facts(url)
        reason = self._never or self._channel.media_refused(facts.media_type, facts.size, *self._ends)
        if reason is None and facts.size and total:
            # Files that are fine alone may be too much together; of what type they are does not matter then.
            reason = self._channel.media_refused("", total + facts.size, *self._ends)
        if reason is not None and _units(url) > self._channel.max_length:
            self._log.warning("media_not_checked", host=origin(url), reason=f"{reason}, but the address is too long")
            reason = None
        elif reason is not None:
            self._log.warning("media_sent_as_link", host=origin(url), reason=reason)
        return _Verdict(reason, facts.size or 0)

    def _facts(self, url: str) -> Facts:
        if (known := self._here.get(url)) is not None:
            return known
        late = time.monotonic() > self._deadline
        facts = Facts(doubt="the answer has waited long enough") if late else self._lookup.facts(url)
        if facts.doubt:
            self._log.info("media_not_checked", host=origin(url), reason=facts.doubt)
        return facts


def _split(part: Part, max_length: int, judge: Callable[[str, int], _Verdict]) -> list[Part]:
    """The messages of one part: its text, files and addresses, then further files, then further addresses."""
    if not part.media:
        return [part]
    texts: list[str] = [part.text]
    files: list[list[str]] = [[]]
    total = 0
    for url in part.media:
        if len(files[-1]) == MOST_MEDIA:
            files.append([])
            total = 0
        verdict = judge(url, total)
        if verdict.reason is None:
            files[-1].append(url)
            total += verdict.size
            continue
        longer = f"{texts[-1]}\n{url}" if texts[-1] else url
        if _units(longer) <= max_length:
            texts[-1] = longer
        else:
            texts.append(url)
    return [
        Part(texts[0], tuple(files[0])),
        *(Part("", tuple(more)) for more in files[1:] if more),
        *(Part(text) for text in texts[1:]),
    ]


def _units(text: str) -> int:
    """The length of `text` in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
