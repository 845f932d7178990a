"""The tables. Ids are UUIDv7, times are UTC, secrets stand in encrypted columns of their own.

What may change a row: ``assistant`` and ``integration`` only ``hub apply`` and the secrets commands; ``lane`` only who
holds (or takes) its lease; ``message`` moves forward by rank only; ``message_event`` is never changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, MetaData, Text, UniqueConstraint, Uuid
from sqlalchemy import text as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from hub import clock
from hub.ids import uuid7
from hub.store.types import UtcTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Gives every table its id and its time of birth."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - the form SQLAlchemy asks for
        str: Text(),
        datetime: UtcTime(),
        UUID: Uuid(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Assistant(Base):
    """What answers: a plugin's assistant and its settings. `name` is the id people use.

    `sections` holds the tables that other plugins take (webhooks, attachments …) by name, their secrets apart in
    `section_secrets`, NULL while there are none.
    """

    __tablename__ = "assistant"

    name: Mapped[str] = mapped_column(unique=True)
    plugin: Mapped[str]
    settings: Mapped[dict[str, Any]]
    secrets: Mapped[str]
    sections: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    section_secrets: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)


class Integration(Base):
    """One configured use of a channel for one assistant. `name` stands in the webhook URI."""

    __tablename__ = "integration"

    name: Mapped[str] = mapped_column(unique=True)
    channel: Mapped[str]
    assistant_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.id"))
    line: Mapped[str | None]
    settings: Mapped[dict[str, Any]]
    secrets: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)


class Lane(Base):
    """One person's line to one assistant.

    `owner` holds the lease until `due_at`. Without an owner `due_at` is when the lane wants to be looked at again
    (a retry, a session time-out), or NULL. `turn_id` is the turn in progress, `session_id` the session that lives.
    `send_error` is the last failure to send to this person, until a turn has told the assistant; whoever notes the
    failure sets it, also without the lease.
    """

    __tablename__ = "lane"

    assistant_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.id"))
    line: Mapped[str]
    person: Mapped[str]
    owner: Mapped[UUID | None]
    due_at: Mapped[datetime | None]
    turn_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    send_error: Mapped[dict[str, Any] | None]

    __table_args__ = (
        UniqueConstraint("assistant_id", "line", "person"),
        Index(
            "ix_lane_due_at",
            "due_at",
            sqlite_where=sql("due_at IS NOT NULL"),
            postgresql_where=sql("due_at IS NOT NULL"),
        ),
    )


class Session(Base):
    """One conversation. `state` is ``bot``, ``human`` or ``ended``; `guard` is what the loop guard remembers.

    `memory` is what else the hub remembers between the session's turns, see ``hub.memory``.
    """

    __tablename__ = "session"

    lane_id: Mapped[UUID] = mapped_column(ForeignKey("lane.id"), index=True)
    integration_id: Mapped[UUID] = mapped_column(ForeignKey("integration.id"))
    assistant_session_id: Mapped[str | None]
    context: Mapped[dict[str, Any]]
    channel: Mapped[str]
    state: Mapped[str]
    turn_count: Mapped[int]
    guard: Mapped[dict[str, Any]]
    memory: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Turn(Base):
    """One input and its answer. `state` is the last stage that finished, see ``hub.turn.STAGES``.

    `message_id` is the text that is its input, NULL for every other `kind`. `timings` holds milliseconds by stage.
    `number` is our number the input came to. `memory` is what its own stages have to tell one another across a
    restart: the hooks' values, and who answered in the assistant's place.
    """

    __tablename__ = "turn"

    lane_id: Mapped[UUID] = mapped_column(ForeignKey("lane.id"), index=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("session.id"))
    integration_id: Mapped[UUID] = mapped_column(ForeignKey("integration.id"))
    message_id: Mapped[UUID | None]
    kind: Mapped[str]
    number: Mapped[str]
    state: Mapped[str]
    request: Mapped[dict[str, Any] | None]
    response: Mapped[dict[str, Any] | None]
    timings: Mapped[dict[str, Any]]
    memory: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sql("'{}'"))
    error: Mapped[str | None]
    correlation: Mapped[str]
    finished_at: Mapped[datetime | None]


class Message(Base):
    """One text in either direction. `queue` says who still has to act on it: ``inbox``, ``outbox`` or nobody (NULL).

    `raw` is the payload as the provider sent it. `segments` is NULL while unknown.
    """

    __tablename__ = "message"

    integration_id: Mapped[UUID] = mapped_column(ForeignKey("integration.id"))
    lane_id: Mapped[UUID] = mapped_column(ForeignKey("lane.id"))
    turn_id: Mapped[UUID | None]
    direction: Mapped[str]
    provider_id: Mapped[str | None]
    sender: Mapped[str]
    recipient: Mapped[str]
    text: Mapped[str]
    media: Mapped[list[Any]]
    segments: Mapped[int | None]
    status: Mapped[str]
    rank: Mapped[int]
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    queue: Mapped[str | None]
    attempts: Mapped[int]
    attempted_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    raw: Mapped[dict[str, Any] | None]
    correlation: Mapped[str]

    __table_args__ = (
        UniqueConstraint("integration_id", "provider_id"),
        Index("ix_message_lane_id_id", "lane_id", "id"),
        Index(
            "ix_message_lane_id_queue_id",
            "lane_id",
            "queue",
            "id",
            sqlite_where=sql("queue IS NOT NULL"),
            postgresql_where=sql("queue IS NOT NULL"),
        ),
    )


class MessageEvent(Base):
    """Every status a provider ever reported, in the order it came. `message_id` is NULL for a message not of ours."""

    __tablename__ = "message_event"

    integration_id: Mapped[UUID] = mapped_column(ForeignKey("integration.id"))
    message_id: Mapped[UUID | None] = mapped_column(index=True)
    provider_id: Mapped[str]
    status: Mapped[str]
    error_code: Mapped[str | None]
    raw: Mapped[dict[str, Any]]


class Attachment(Base):
    """A file of a message: ``expected`` (still at the provider), ``stored``, ``dropped`` by a hook, or ``failed``."""

    __tablename__ = "attachment"

    turn_id: Mapped[UUID] = mapped_column(ForeignKey("turn.id"), index=True)
    position: Mapped[int]
    state: Mapped[str]
    source_url: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    name: Mapped[str]
    key: Mapped[str]


class OptOut(Base):
    """A person who wants no messages from one of our senders (a number or a messaging service)."""

    __tablename__ = "opt_out"

    sender: Mapped[str]
    person: Mapped[str]
    reason: Mapped[str]

    __table_args__ = (UniqueConstraint("sender", "person"),)


class LogEvent(Base):
    """An event that a plugin's ``logged`` hook still has to take; removed when it has, or when it is given up.

    Nobody touches it before `due_at`; who works on it puts that off first, so that a worker that dies loses nothing.
    """

    __tablename__ = "log_event"

    assistant_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.id"))
    plugin: Mapped[str]
    name: Mapped[str]
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(index=True)


class PluginSecret(Base):
    """A small value a plugin keeps for good, encrypted: a refresh token, for example."""

    __tablename__ = "plugin_secret"

    plugin: Mapped[str]
    name: Mapped[str]
    sealed: Mapped[str]

    __table_args__ = (UniqueConstraint("plugin", "name"),)
