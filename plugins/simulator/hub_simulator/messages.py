"""Messages, and the one bounded place where they are kept."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from hub_simulator import segments

Direction = Literal["inbound", "outbound-api", "outbound-reply"]
Origin = Literal["person", "api", "twiml", "twilio"]
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "received", "read"})
SUBSCRIBER_QUEUE = 1000
T = TypeVar("T")


def now() -> datetime:
    """The time in whole seconds, as precise as Twilio's dates are."""
    return datetime.now(UTC).replace(microsecond=0)


def new_sid(prefix: str) -> str:
    """A sid as Twilio makes them: two letters and 32 hex digits."""
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Media:
    """One attachment, either sent by a person or fetched from a MediaUrl."""

    sid: str
    content_type: str
    data: bytes
    created: datetime
    source: str = ""
    """The MediaUrl it comes from; empty for what a person sent."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request to a webhook and what came of it."""

    kind: Literal["message", "fallback", "redirect", "action", "status"]
    url: str
    status: int | None
    milliseconds: int
    code: int | None = None
    """Twilio's error code, None if the answer was usable."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A text in either direction. Frozen: a change makes a new one in the store."""

    sid: str
    direction: Direction
    origin: Origin
    from_: str | None
    to: str
    body: str
    status: str
    created: datetime
    updated: datetime
    sent: datetime | None = None
    service: str | None = None
    num_media: int = 0
    num_segments: int = 1
    error_code: int | None = None
    media: tuple[Media, ...] = ()
    media_urls: tuple[str, ...] = ()
    status_callback: str = ""
    attempts: tuple[Attempt, ...] = ()
    seq: int = 0
    """Rises with every change of any message, so a reader can ask for what is new."""

    @property
    def person(self) -> str:
        """The person's end of the line."""
        return (self.from_ or "") if self.direction == "inbound" else self.to

    @property
    def number(self) -> str:
        """The account's end of the line; empty while a service has not chosen a sender."""
        return self.to if self.direction == "inbound" else (self.from_ or "")

    @property
    def encoding(self) -> str:
        """`GSM-7` or `UCS-2`."""
        return segments.encoding(self.body)


class Store:
    """All messages in the order they came; the oldest fall out when there are too many."""

    def __init__(self, max_messages: int, max_media_bytes: int) -> None:
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._condition = threading.Condition()
        self._max_messages = max_messages
        self._max_media_bytes = max_media_bytes
        self._media_bytes = 0
        self._seq = 0
        self._subscribers: set[queue.Queue[Message | None]] = set()

    def add(self, message: Message) -> Message:
        """Keep a new message."""
        with self._condition:
            message = self._put(message)
            while len(self._messages) > self._max_messages:
                _, oldest = self._messages.popitem(last=False)
                self._media_bytes -= _size(oldest)
            self._trim_media()
            return message

    def change(self, sid: str, **fields: Any) -> Message | None:
        """Replace fields of a message; None if it has been deleted or has fallen out."""
        with self._condition:
            old = self._messages.get(sid)
            if old is None:
                return None
            fields.setdefault("updated", now())
            message = self._put(replace(old, **fields), _size(old))
            self._trim_media()
            return message

    def extend_attempts(self, sid: str, attempts: Sequence[Attempt]) -> None:
        """Add webhook requests to a message's history."""
        with self._condition:
            old = self._messages.get(sid)
            if old is not None and attempts:
                self._put(replace(old, attempts=old.attempts + tuple(attempts)), _size(old))

    def get(self, sid: str) -> Message | None:
        """One message."""
        with self._condition:
            return self._messages.get(sid)

    def delete(self, sid: str) -> Message | None:
        """Forget a message."""
        with self._condition:
            message = self._messages.pop(sid, None)
            if message is not None:
                self._media_bytes -= _size(message)
                self._condition.notify_all()
            return message

    def all(self) -> list[Message]:
        """Every message, oldest first."""
        with self._condition:
            return list(self._messages.values())

    def wait_for(self, predicate: Callable[[list[Message]], T], timeout: float) -> T | None:
        """Block until the predicate over all messages is true; its value, or None when time is up."""
        deadline = time.monotonic() + timeout
        with self._condition:
            while True:
                value = predicate(list(self._messages.values()))
                if value:
                    return value
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._condition.wait(remaining):
                    return predicate(list(self._messages.values())) or None

    def subscribe(self) -> queue.Queue[Message | None]:
        """A queue of changed messages; None in it means that the reader was too slow and must start over."""
        subscriber: queue.Queue[Message | None] = queue.Queue(SUBSCRIBER_QUEUE)
        with self._condition:
            self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: queue.Queue[Message | None]) -> None:
        """End a subscription."""
        with self._condition:
            self._subscribers.discard(subscriber)

    def release(self) -> None:
        """End all subscriptions: their readers get None."""
        with self._condition:
            for subscriber in list(self._subscribers):
                self._dismiss(subscriber)

    def _put(self, message: Message, replaced_bytes: int = 0) -> Message:
        self._seq += 1
        message = replace(message, seq=self._seq)
        self._messages[message.sid] = message
        self._media_bytes += _size(message) - replaced_bytes
        for subscriber in list(self._subscribers):
            self._publish(subscriber, message)
        self._condition.notify_all()
        return message

    def _publish(self, subscriber: queue.Queue[Message | None], message: Message) -> None:
        try:
            subscriber.put_nowait(message)
        except queue.Full:
            self._dismiss(subscriber)

    def _dismiss(self, subscriber: queue.Queue[Message | None]) -> None:
        self._subscribers.discard(subscriber)
        if subscriber.full():
            subscriber.get_nowait()
        subscriber.put_nowait(None)

    def _trim_media(self) -> None:
        if self._media_bytes <= self._max_media_bytes:
            return
        for sid, message in self._messages.items():
            if message.media:
                self._media_bytes -= _size(message)
                self._messages[sid] = replace(message, media=())
            if self._media_bytes <= self._max_media_bytes:
                return


def _size(message: Message) -> int:
    return sum(len(media.data) for media in message.media)
