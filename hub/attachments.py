"""Attachments as hooks and assistants see them: open, add, replace, drop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol
from uuid import UUID

from hub.characters import encodable

LONGEST_NAME = 255


class Keeper(Protocol):
    """What keeps the bytes; the host's media store."""

    def open(self, key: str) -> BinaryIO:
        """The content kept under `key`."""

    def keep(self, data: bytes) -> str:
        """Keep `data`; returns its key."""

    def url(self, attachment_id: UUID) -> str:
        """The address of an attachment."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One kept file of a turn.

    :param media_type: what the content says it is, for example ``image/jpeg``.
    :param size: bytes.
    :param url: signed address below the hub's public URL; it expires.
    """

    id: UUID
    media_type: str
    size: int
    name: str
    url: str
    key: str = field(repr=False)
    _opener: Callable[[str], BinaryIO] = field(repr=False, compare=False)

    def open(self) -> BinaryIO:
        """The content, as a readable binary file; the caller closes it."""
        return self._opener(self.key)

    def read(self) -> bytes:
        """The whole content."""
        with self.open() as file:
            return file.read()


class Attachments:
    """The attachments of one turn, in order. Changes are kept when the premessage stage ends.

    Example::

        for attachment in turn.attachments:
            if attachment.media_type == "image/gif":
                turn.attachments.drop(attachment)
    """

    def __init__(
        self,
        items: list[Attachment],
        keeper: Keeper,
        sniff: Callable[[bytes, str], str],
        new_id: Callable[[], UUID],
    ) -> None:
        self._items = items
        self._keeper = keeper
        self._sniff = sniff
        self._new_id = new_id
        self.changes = 0
        self._made: list[str] = []
        self._closed = False

    def __iter__(self) -> Iterator[Attachment]:
        return iter(tuple(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def copy(self) -> Attachments:
        """A list of its own with the same files; what is changed there is not changed here."""
        other = Attachments(list(self._items), self._keeper, self._sniff, self._new_id)
        other.changes, other._made = self.changes, self._made
        return other

    def adopt(self, other: Attachments) -> None:
        """Become what `other`, a copy, has become."""
        self._items, self.changes = list(other._items), other.changes

    @property
    def touched(self) -> bool:
        """Whether there is anything to note: changes, or files that were made and given up again."""
        return bool(self.changes or self._made)

    @property
    def made(self) -> tuple[str, ...]:
        """The keys of all files that were kept through this list and its copies, for the host to note."""
        return tuple(self._made)

    def close(self) -> None:
        """Take nothing more: whoever has this list is no longer waited for."""
        self._closed = True

    def _keep(self, data: bytes) -> str:
        if self._closed:
            raise RuntimeError("the turn has gone on without this hook")
        key = self._keeper.keep(data)
        self._made.append(key)
        return key

    def take(self, attachment: Attachment) -> None:
        """Put a kept file at the end; for the host, which has noted it already."""
        self._items.append(attachment)

    def add(self, data: bytes, media_type: str = "", name: str = "") -> Attachment:
        """Keep `data` as a further attachment; its type is told by its content, `media_type` is only the hint."""
        key, identifier = self._keep(data), self._new_id()
        attachment = Attachment(
            id=identifier,
            media_type=self._sniff(data, media_type),
            size=len(data),
            name=encodable(str(name or ""))[:LONGEST_NAME],
            url=self._keeper.url(identifier),
            key=key,
            _opener=self._keeper.open,
        )
        self._items.append(attachment)
        self.changes += 1
        return attachment

    def replace(self, attachment: Attachment, data: bytes, media_type: str = "") -> Attachment:
        """Put other content in the place of `attachment`; its id and URL stay.

        :raises ValueError: it is not of this turn, or was dropped.
        """
        position = self._items.index(attachment)
        changed = replace(
            attachment, media_type=self._sniff(data, media_type), size=len(data), key=self._keep(data)
        )
        self._items[position] = changed
        self.changes += 1
        return changed

    def drop(self, attachment: Attachment) -> None:
        """Take `attachment` out of the turn; neither later hooks nor the assistant see it.

        :raises ValueError: it is not of this turn, or was dropped before.
        """
        self._items.remove(attachment)
        self.changes += 1
