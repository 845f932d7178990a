"""The rows of a turn's attachments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from hub import clock
from hub.attachments import Attachment, Attachments
from hub.ids import uuid7
from hub.store.models import Attachment as Row


def expected(turn: UUID, media: Iterable[Mapping[str, str]], now: datetime) -> tuple[dict[str, Any], ...]:
    """Rows for files that came with a text and are still at the provider, not inserted yet."""
    return tuple(
        {
            "id": uuid7(), "created_at": now, "turn_id": turn, "position": position, "state": "expected",
            "source_url": each["url"], "media_type": each["media_type"], "size": 0, "name": "", "key": "",
        }
        for position, each in enumerate(media)
    )  # fmt: skip


def note(connection: Connection, states: Mapping[UUID, Mapping[str, Any]]) -> None:
    """What became of files that were still at the provider."""
    for identifier, values in states.items():
        connection.execute(update(Row).where(Row.id == identifier).values(**values))


def keep(connection: Connection, turn: UUID, attachments: Attachments) -> None:
    """The turn's attachments as they are after hooks and assistant.

    What was dropped or replaced stays as a row of its own, marked, so that a purge finds its file.
    """
    known = connection.execute(select(Row.id, Row.key, Row.media_type, Row.state).where(Row.turn_id == turn)).all()
    before = [row for row in known if row.state == "stored"]
    kept = {attachment.id: attachment for attachment in attachments}
    rows = [_row(turn, position, "stored", attachment) for position, attachment in enumerate(attachments)]
    rows += [
        {**_row(turn, len(rows), "dropped", None), "media_type": old.media_type, "key": old.key}
        for old in before
        if old.id not in kept or kept[old.id].key != old.key
    ]
    noted = {row.key for row in known} | {row["key"] for row in rows}
    rows += [{**_row(turn, len(rows), "dropped", None), "key": key} for key in attachments.made if key not in noted]
    connection.execute(delete(Row).where(Row.turn_id == turn, Row.state == "stored"))
    if rows:
        connection.execute(insert(Row), rows)


def _row(turn: UUID, position: int, state: str, attachment: Attachment | None) -> dict[str, Any]:
    return {
        "id": attachment.id if attachment else uuid7(),
        "created_at": clock.now(),
        "turn_id": turn,
        "position": position,
        "state": state,
        "source_url": "",
        "media_type": attachment.media_type if attachment else "",
        "size": attachment.size if attachment else 0,
        "name": attachment.name if attachment else "",
        "key": attachment.key if attachment else "",
    }
