"""Retention: what is older than asked for goes, files first, then rows; consent (opt-outs) stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, CursorResult, delete, exists, select, update

from hub import clock
from hub.ids import uuid7_floor
from hub.media import MediaStore
from hub.store import Store
from hub.store.models import Attachment, Lane, LogEvent, Message, MessageEvent, Session, Turn

BATCH = 500


@dataclass(frozen=True, slots=True)
class Purged:
    """How many attachments (files), messages, turns, sessions and lanes went."""

    attachments: int
    messages: int
    turns: int
    sessions: int
    lanes: int


def purge(store: Store, media: MediaStore, *, attachment_days: float, conversation_days: float) -> Purged:
    """Remove files older than `attachment_days` and conversations without a message for `conversation_days`.

    Nothing that still waits to be answered or sent is removed, whatever its age. Works in small transactions, so the
    hub may run meanwhile, and can be stopped and run again.
    """
    attachments = _purge_files(store, media, attachment_days)
    before = clock.now() - timedelta(days=conversation_days)

    def strays(connection: Connection) -> None:
        """What belongs to no conversation: reports on messages of others, events no plugin takes any more."""
        connection.execute(
            delete(MessageEvent).where(MessageEvent.message_id.is_(None), MessageEvent.created_at < before)
        )
        connection.execute(delete(LogEvent).where(LogEvent.created_at < before))

    store.write(strays)
    floor = uuid7_floor(clock.now() - timedelta(days=conversation_days))
    counts = [0, 0, 0, 0]
    while True:
        removed = store.write(lambda connection: _purge_lanes(connection, floor, media))
        counts = [total + more for total, more in zip(counts, removed, strict=True)]
        if not any(removed):
            return Purged(attachments, *counts)


def _purge_files(store: Store, media: MediaStore, days: float) -> int:
    before = clock.now() - timedelta(days=days)
    waiting = exists(select(Message.id).where(Message.turn_id == Attachment.turn_id, Message.queue.is_not(None)))
    unfinished = exists(select(Lane.id).where(Lane.turn_id == Attachment.turn_id))
    total = 0
    while True:
        with store.read() as connection:
            rows = connection.execute(
                select(Attachment.id, Attachment.key)
                .where(Attachment.created_at < before, Attachment.key != "", ~waiting, ~unfinished)
                .limit(BATCH)
            ).all()
        if not rows:
            return total
        for row in rows:
            media.delete(row.key)
        gone = [row.id for row in rows]
        store.write(
            lambda connection, gone=gone: connection.execute(  # type: ignore[misc]
                update(Attachment).where(Attachment.id.in_(gone)).values(state="purged", key="", source_url="", name="")
            )
        )
        total += len(rows)


def _purge_lanes(connection: Connection, floor: UUID, media: MediaStore) -> tuple[int, int, int, int]:
    """One batch of quiet lanes; returns how many messages, turns, sessions and lanes went."""
    recent = exists(select(Message.id).where(Message.lane_id == Lane.id, Message.id >= floor))
    waiting = exists(select(Message.id).where(Message.lane_id == Lane.id, Message.queue.is_not(None)))
    quiet = select(Lane.id).where(Lane.id < floor, Lane.owner.is_(None), Lane.turn_id.is_(None), ~recent, ~waiting)
    # Locked first and judged again: a text that came before the lock is seen, one that comes after has to wait.
    locked = list(connection.execute(quiet.limit(BATCH).with_for_update(skip_locked=True)).scalars())
    lanes = list(connection.execute(quiet.where(Lane.id.in_(locked))).scalars())
    if not lanes:
        return 0, 0, 0, 0
    turns = select(Turn.id).where(Turn.lane_id.in_(lanes))
    messages = select(Message.id).where(Message.lane_id.in_(lanes))
    keys = connection.execute(
        select(Attachment.key).where(Attachment.turn_id.in_(turns), Attachment.key != "")
    ).scalars()
    for key in keys:
        media.delete(key)
    connection.execute(delete(Attachment).where(Attachment.turn_id.in_(turns)))
    connection.execute(delete(MessageEvent).where(MessageEvent.message_id.in_(messages)))
    counted: list[CursorResult[Any]] = [
        connection.execute(delete(table).where(table.lane_id.in_(lanes))) for table in (Message, Turn, Session)
    ]
    counted.append(connection.execute(delete(Lane).where(Lane.id.in_(lanes))))
    first, second, third, fourth = (result.rowcount for result in counted)
    return first, second, third, fourth
