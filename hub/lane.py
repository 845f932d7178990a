"""Lanes: one person's line to one assistant, worked on by one worker at a time.

A lease is a row's `owner` and `due_at`, taken by a conditional UPDATE that means the same on SQLite and PostgreSQL. A
worker that dies leaves its lease to expire; one that is slow renews it (``Leases.renew``). Every commit on behalf of
a lane begins with an UPDATE that only succeeds for the holder, so whoever lost the lease stops there. That UPDATE also
locks the row, which is why what is read after it cannot miss a text that somebody accepted meanwhile and tried in
vain to get a lease for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, bindparam, exists, func, or_, select, union, update

from hub import clock
from hub.errors import LeaseLost
from hub.ids import uuid7
from hub.store import Store
from hub.store.models import Lane, Message
from hub.store.prepared import Prepared

RENEWALS_PER_LEASE = 3
SEND_MARGIN = 0.15
"""Part of a lease that must be left when a message is handed to the provider."""

_TAKE = Prepared(
    update(Lane)
    .where(
        Lane.id == bindparam("lane"),
        or_(Lane.owner.is_(None), Lane.due_at <= bindparam("now"), Lane.owner == bindparam("me")),
    )
    .values(owner=bindparam("me"), due_at=bindparam("until"))
    .returning(Lane.assistant_id, Lane.line, Lane.person, Lane.turn_id, Lane.session_id, Lane.send_error)
)
_HOLD = Prepared(
    update(Lane)
    .where(Lane.id == bindparam("lane"), Lane.owner == bindparam("me"))
    .values(due_at=bindparam("until"))
    .returning(Lane.assistant_id, Lane.line, Lane.person, Lane.turn_id, Lane.session_id, Lane.send_error)
)
_HOLD_DONE = Prepared(
    update(Lane)
    .where(Lane.id == bindparam("lane"), Lane.owner == bindparam("me"))
    .values(due_at=bindparam("until"), turn_id=None)
    .returning(Lane.assistant_id, Lane.line, Lane.person, Lane.turn_id, Lane.session_id, Lane.send_error)
)
_RELEASE = Prepared(
    update(Lane)
    .where(Lane.id == bindparam("lane"), Lane.owner == bindparam("me"))
    .values(owner=None, due_at=bindparam("again"))
)


@dataclass(frozen=True, slots=True)
class Held:
    """A lane whose lease this worker has, as the row said in this transaction."""

    id: UUID
    assistant_id: UUID
    line: str
    person: str
    turn_id: UUID | None
    session_id: UUID | None
    send_error: dict[str, Any] | None


class Leases:
    """The leases of this process.

    :param seconds: how long a lease lasts without renewal (``HUB_LEASE_SECONDS``).
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self.seconds = seconds
        self.owner = uuid7()
        self._held: dict[UUID, float] = {}
        self._lock = threading.Lock()

    def take(self, connection: Connection, lane: UUID) -> Held | None:
        """Take the lease of `lane` if nobody has it."""
        now = clock.now()
        found = _TAKE.first(
            connection, {"lane": lane, "me": self.owner, "now": now, "until": clock.after(self.seconds)}
        )
        if found is None:
            return None
        self._note(lane)
        return Held(lane, *found)

    def hold(self, connection: Connection, lane: UUID, *, done: bool = False) -> Held:
        """Begin a commit on behalf of `lane`: renews the lease and locks the row.

        :param done: this commit ends the lane's turn.
        :raises LeaseLost: another worker has it.
        """
        until = clock.after(self.seconds)
        statement = _HOLD_DONE if done else _HOLD
        found = statement.first(connection, {"lane": lane, "me": self.owner, "until": until})
        if found is None:
            self.forget(lane)
            raise LeaseLost(f"the lease of lane {lane} went to another worker")
        self._note(lane)
        return Held(lane, *found)

    def release(self, connection: Connection, lane: UUID, again: datetime | None) -> None:
        """Give the lease back; `again` is when the lane wants to be looked at next.

        :raises LeaseLost: another worker has it.
        """
        if not _RELEASE.run(connection, {"lane": lane, "me": self.owner, "again": again}):
            raise LeaseLost(f"the lease of lane {lane} went to another worker")

    def forget(self, lane: UUID) -> None:
        """Stop renewing the lease of `lane`."""
        with self._lock:
            self._held.pop(lane, None)

    def fresh(self, lane: UUID) -> bool:
        """Whether the lease surely still stands long enough to hand one message over."""
        until = self._held.get(lane, 0.0)
        return time.monotonic() < until - self.seconds * SEND_MARGIN

    def renew(self) -> None:
        """Renew every lease of this process; called several times per lease duration."""
        with self._lock:
            lanes = list(self._held)
        if not lanes:
            return
        begun = time.monotonic()
        until = clock.after(self.seconds)

        def job(connection: Connection) -> set[UUID]:
            kept = connection.execute(
                update(Lane).where(Lane.id.in_(lanes), Lane.owner == self.owner).values(due_at=until).returning(Lane.id)
            )
            return set(kept.scalars())

        kept = self._store.write(job)
        with self._lock:
            for lane in lanes:
                if lane not in self._held:
                    continue
                if lane in kept:
                    self._held[lane] = begun + self.seconds
                else:
                    self._held.pop(lane)

    def give_back(self) -> int:
        """Release everything at once so that another worker continues immediately; returns how many lanes."""
        with self._lock:
            lanes = list(self._held)
            self._held.clear()
        if not lanes:
            return 0
        now = clock.now()

        def job(connection: Connection) -> None:
            connection.execute(
                update(Lane).where(Lane.id.in_(lanes), Lane.owner == self.owner).values(owner=None, due_at=now)
            )

        self._store.write(job)
        return len(lanes)

    def _note(self, lane: UUID) -> None:
        with self._lock:
            self._held[lane] = time.monotonic() + self.seconds


def due(connection: Connection, limit: int) -> list[UUID]:
    """Lanes with work that nobody is on: texts without a turn, and lanes whose `due_at` has come."""
    now = clock.now()
    leaving = exists(select(Message.id).where(Message.lane_id == Lane.id, Message.queue == "outbox").correlate(Lane))
    waiting = (
        select(Message.lane_id)
        .join(Lane, Lane.id == Message.lane_id)
        # A lane whose message waits for its next attempt has a time of its own.
        .where(Message.queue == "inbox", or_(and_(Lane.owner.is_(None), ~leaving), Lane.due_at <= now))
    )
    timed = select(Lane.id).where(Lane.due_at <= now)
    return list(connection.execute(union(waiting, timed).limit(limit)).scalars())


def waiting(connection: Connection) -> tuple[int, float]:
    """How many lanes have texts without a turn, and the age in seconds of the oldest such text."""
    inbox = select(Message.lane_id, Message.created_at).where(Message.queue == "inbox").subquery()
    lanes, oldest = connection.execute(
        select(func.count(func.distinct(inbox.c.lane_id)), func.min(inbox.c.created_at))
    ).one()
    return int(lanes), max(0.0, (clock.now() - oldest).total_seconds()) if oldest is not None else 0.0


def overview(connection: Connection) -> Iterable[Any]:
    """One row per lane that has a worker, waiting texts, unsent messages or a time at which it is due."""
    counts = (
        select(
            Message.lane_id,
            func.count().filter(Message.queue == "inbox").label("inbox"),
            func.count().filter(Message.queue == "outbox").label("outbox"),
            func.min(Message.created_at).label("since"),
            func.max(Message.error).label("error"),
        )
        .where(Message.queue.is_not(None))
        .group_by(Message.lane_id)
        .subquery()
    )
    return connection.execute(
        select(
            Lane.id, Lane.line, Lane.person, Lane.owner, Lane.due_at, Lane.turn_id,
            counts.c.inbox, counts.c.outbox, counts.c.since, counts.c.error,
        )
        .outerjoin(counts, counts.c.lane_id == Lane.id)
        .where(or_(counts.c.lane_id.is_not(None), Lane.owner.is_not(None), Lane.turn_id.is_not(None)))
        .order_by(counts.c.since)
    ).all()  # fmt: skip
