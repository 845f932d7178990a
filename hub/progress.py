"""The rows of a turn: begun, resumed, its stages and its end committed.

What a stage computes is the business of ``hub.turn``; everything here happens inside a transaction of the lane's
holder.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from hub import clock
from hub.attachments import Attachment, Attachments
from hub.directory import BoundIntegration
from hub.errors import AssistantFailed
from hub.ids import uuid7
from hub.lane import Held, Leases
from hub.outbox import SAME_ANSWERS, Delivery, Outbox
from hub.rendering.text import Part
from hub.request import TIMEOUT_INPUT
from hub.store import Store, models
from hub.store.prepared import Prepared
from hub.turns import Session

STAGES = ("begun", "prepared", "answered", "rendered", "failed")
"""What `turn.state` says: the last stage that finished. The last two are ends."""

_INSERT_TURN = Prepared(insert(models.Turn))
_INSERT_SESSION = Prepared(insert(models.Session))
_SET_TURN = Prepared(update(models.Lane).where(models.Lane.id == bindparam("lane")).values(turn_id=bindparam("turn")))
_SET_BOTH = Prepared(
    update(models.Lane)
    .where(models.Lane.id == bindparam("lane"))
    .values(turn_id=bindparam("turn"), session_id=bindparam("session"))
)
_TAKE_MESSAGE = Prepared(
    update(models.Message)
    .where(models.Message.id == bindparam("message"))
    .values(queue=None, turn_id=bindparam("turn"))
)
_SESSION = Prepared(select(models.Session.__table__).where(models.Session.id == bindparam("session")))
_FINISH_TURN = Prepared(
    update(models.Turn)
    .where(models.Turn.id == bindparam("turn"))
    .values(
        state=bindparam("new_state"),
        response=bindparam("answer"),
        timings=bindparam("times"),
        error=bindparam("problem"),
        finished_at=bindparam("now"),
    )
)
_TOUCH_SESSION = Prepared(
    update(models.Session)
    .where(models.Session.id == bindparam("session"))
    .values(
        assistant_session_id=bindparam("theirs"),
        context=bindparam("new_context"),
        turn_count=bindparam("turns"),
        guard=bindparam("new_guard"),
        expires_at=bindparam("expires"),
        channel=bindparam("new_channel"),
        integration_id=bindparam("integration"),
    )
)


@dataclass(frozen=True, slots=True)
class Work:
    """A turn in progress, as the rows say."""

    id: UUID
    lane: Held
    integration_id: UUID
    kind: str
    text: str
    number: str
    state: str
    request: dict[str, Any] | None
    response: dict[str, Any] | None
    session: Session
    guard: dict[str, Any]
    files: tuple[dict[str, Any], ...]
    correlation: str
    since: datetime
    resumed: int = 0


@dataclass(slots=True)
class Result:
    """What a turn came to: the answer and the messages it becomes."""

    response: dict[str, Any] | None
    session_id: str | None
    parts: list[Part]
    error: AssistantFailed | None
    attachments: Attachments
    timings: dict[str, float] = field(default_factory=dict)


class Progress:
    """Begins, resumes and finishes turns in the store."""

    def __init__(self, store: Store, outbox: Outbox, leases: Leases) -> None:
        self._store = store
        self._outbox = outbox
        self._leases = leases

    def begin(self, connection: Connection, held: Held, bound: BoundIntegration, message: Any) -> Work:
        """Take the next text of the lane into a new turn, in the session that lives or in a new one."""
        session, guard, fresh = self._session(connection, held, bound)
        now = clock.now()
        turn = uuid7()
        _INSERT_TURN.run(
            connection,
            _turn_row(turn, held, session.id, bound, message.id, message.recipient, message.correlation, now),
        )
        _TAKE_MESSAGE.run(connection, {"message": message.id, "turn": turn})
        if fresh:
            _SET_BOTH.run(connection, {"lane": held.id, "turn": turn, "session": session.id})
        else:
            _SET_TURN.run(connection, {"lane": held.id, "turn": turn})
        files = tuple(
            {
                "id": uuid7(), "created_at": now, "turn_id": turn, "position": position, "state": "expected",
                "source_url": media["url"], "media_type": media["media_type"], "size": 0, "name": "", "key": "",
            }
            for position, media in enumerate(message.media)
        )  # fmt: skip
        if files:
            connection.execute(insert(models.Attachment), list(files))
        return Work(
            turn, held, bound.id, "text", message.text, message.recipient, "begun", None, None, session, guard, files,
            message.correlation, message.created_at,
        )  # fmt: skip

    def begin_timeout(self, connection: Connection, held: Held, bound: BoundIntegration, row: Any) -> Work:
        """A turn that tells the assistant that the session has timed out; it ends the session."""
        now = clock.now()
        turn = uuid7()
        number = connection.execute(
            select(models.Turn.number).where(models.Turn.session_id == row.id).order_by(models.Turn.id.desc()).limit(1)
        ).scalar_one()
        _INSERT_TURN.run(connection, _turn_row(turn, held, row.id, bound, None, number, turn.hex[-12:], now))
        _SET_TURN.run(connection, {"lane": held.id, "turn": turn})
        session = Session(row.id, row.assistant_session_id, row.context, row.turn_count)
        return Work(
            turn, held, bound.id, "timeout", TIMEOUT_INPUT, number, "begun", None, None, session, row.guard, (),
            turn.hex[-12:], now,
        )  # fmt: skip

    def resume(self, connection: Connection, held: Held) -> Work:
        """Go on with the turn that another worker (or this one, before a restart) left."""
        assert held.turn_id is not None
        row = connection.execute(select(models.Turn.__table__).where(models.Turn.id == held.turn_id)).one()
        session = _SESSION.first(connection, {"session": row.session_id})
        message = connection.execute(
            select(models.Message.text, models.Message.created_at).where(models.Message.id == row.message_id)
        ).one_or_none()
        files = connection.execute(
            select(models.Attachment.__table__)
            .where(models.Attachment.turn_id == row.id)
            .order_by(models.Attachment.position)
        ).mappings()
        resumed = int(row.timings.get("resumed", 0)) + 1
        connection.execute(
            update(models.Turn).where(models.Turn.id == row.id).values(timings={**row.timings, "resumed": resumed})
        )
        text, since = (message.text, message.created_at) if message else (TIMEOUT_INPUT, row.created_at)
        view = Session(session.id, session.assistant_session_id, session.context, session.turn_count)
        return Work(
            row.id, held, row.integration_id, row.kind, text, row.number, row.state, row.request, row.response, view,
            session.guard, tuple(dict(file) for file in files), row.correlation, since, resumed,
        )  # fmt: skip

    def finish(
        self, connection: Connection, bound: BoundIntegration, work: Work, result: Result
    ) -> tuple[Delivery | None, datetime | None]:
        """Commit the answer and its messages.

        :returns: the attempt to send the first message, which begins with this commit, and when the session wants a
            time-out turn, if it does.

        The lane's `turn_id` is cleared by the caller's ``hold(done=True)``.
        """
        now = clock.now()
        options = bound.options
        _FINISH_TURN.run(
            connection,
            {
                "turn": work.id,
                "new_state": "failed" if result.error else "rendered",
                "answer": result.response,
                "times": {**result.timings, "resumed": work.resumed} if work.resumed else result.timings,
                "problem": f"{result.error.code}: {result.error}"[:500] if result.error else None,
                "now": now,
            },
        )
        guard = _guard(work, result.parts)
        expires = clock.after(options.session_timeout)
        context = work.session.context
        if result.response is not None and isinstance(result.response.get("context"), dict):
            context = result.response["context"]
        _TOUCH_SESSION.run(
            connection,
            {
                "session": work.session.id,
                "theirs": result.session_id,
                "new_context": dict(context),
                "turns": work.session.turn_count + (result.error is None),
                "new_guard": guard,
                "expires": expires,
                "new_channel": bound.channel_name,
                "integration": bound.id,
            },
        )
        if work.kind == "timeout":
            self.end_session(connection, work.lane.id, work.session.id)
        if result.attachments.changes:
            self._keep_attachments(connection, work, result.attachments)
        delivery = self._outbox.put(
            connection, bound, work.lane.id, turn=work.id, sender=work.number, person=work.lane.person,
            parts=result.parts, correlation=work.correlation, repeated=guard["count"] > SAME_ANSWERS,
            at_once=True,
        )  # fmt: skip
        return delivery, expires if options.notify_on_session_timeout and work.kind != "timeout" else None

    def end_session(self, connection: Connection, lane: UUID, session: UUID) -> None:
        """The session is over; the next text begins a new one."""
        connection.execute(
            update(models.Session).where(models.Session.id == session).values(state="ended", ended_at=clock.now())
        )
        connection.execute(
            update(models.Lane).where(models.Lane.id == lane, models.Lane.session_id == session).values(session_id=None)
        )

    def _session(
        self, connection: Connection, held: Held, bound: BoundIntegration
    ) -> tuple[Session, dict[str, Any], bool]:
        """The session that lives on this lane, or a new one (then the last value is True)."""
        now = clock.now()
        if held.session_id is not None:
            row = _SESSION.first(connection, {"session": held.session_id})
            if row.state != "ended" and row.expires_at > now:
                return Session(row.id, row.assistant_session_id, row.context, row.turn_count), row.guard, False
            self.end_session(connection, held.id, held.session_id)
        identifier = uuid7()
        _INSERT_SESSION.run(
            connection,
            {
                "id": identifier,
                "created_at": now,
                "lane_id": held.id,
                "integration_id": bound.id,
                "assistant_session_id": None,
                "context": {},
                "channel": bound.channel_name,
                "state": "bot",
                "turn_count": 0,
                "guard": {},
                "expires_at": clock.after(bound.options.session_timeout),
                "ended_at": None,
            },
        )
        return Session(identifier, None, {}, 0), {}, True

    def _keep_attachments(self, connection: Connection, work: Work, attachments: Attachments) -> None:
        """The rows of the turn's attachments as they are after hooks and assistant.

        What was dropped or replaced stays as a row of its own, marked, so that a purge finds its file.
        """
        table = models.Attachment
        before = connection.execute(
            select(table.id, table.key, table.media_type).where(table.turn_id == work.id, table.state == "stored")
        ).all()
        kept = {attachment.id: attachment for attachment in attachments}
        rows = [
            _attachment_row(work, position, "stored", attachment) for position, attachment in enumerate(attachments)
        ]
        rows += [
            {**_attachment_row(work, len(rows), "dropped", None), "media_type": old.media_type, "key": old.key}
            for old in before
            if old.id not in kept or kept[old.id].key != old.key
        ]
        connection.execute(delete(table).where(table.turn_id == work.id, table.state == "stored"))
        if rows:
            connection.execute(insert(table), rows)

    def commit_files(self, work: Work, states: dict[UUID, dict[str, Any]]) -> None:
        """Commit what became of the files that were still at the provider."""

        def job(connection: Connection) -> None:
            self._leases.hold(connection, work.lane.id)
            for identifier, values in states.items():
                connection.execute(update(models.Attachment).where(models.Attachment.id == identifier).values(**values))

        self._store.write(job)

    def commit(
        self,
        work: Work,
        state: str,
        attachments: Attachments,
        *,
        request: dict[str, Any] | None = None,
        response: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> None:
        """Commit the end of a stage in the middle of a turn."""
        values: dict[str, Any] = {"state": state}
        if request is not None:
            values["request"] = request
        if response is not None:
            values["response"] = response

        def job(connection: Connection) -> None:
            self._leases.hold(connection, work.lane.id)
            connection.execute(update(models.Turn).where(models.Turn.id == work.id).values(**values))
            if attachments.changes:
                self._keep_attachments(connection, work, attachments)
            if response is not None:
                connection.execute(
                    update(models.Session)
                    .where(models.Session.id == work.session.id)
                    .values(assistant_session_id=session_id)
                )

        self._store.write(job)


def _turn_row(
    identifier: UUID,
    held: Held,
    session: UUID,
    bound: BoundIntegration,
    message: UUID | None,
    number: str,
    correlation: str,
    now: datetime,
) -> dict[str, Any]:
    return {
        "id": identifier,
        "created_at": now,
        "lane_id": held.id,
        "session_id": session,
        "integration_id": bound.id,
        "message_id": message,
        "kind": "text" if message is not None else "timeout",
        "number": number,
        "state": "begun",
        "request": None,
        "response": None,
        "timings": {},
        "error": None,
        "correlation": correlation,
        "finished_at": None,
    }


def _attachment_row(work: Work, position: int, state: str, attachment: Attachment | None) -> dict[str, Any]:
    return {
        "id": attachment.id if attachment else uuid7(),
        "created_at": clock.now(),
        "turn_id": work.id,
        "position": position,
        "state": state,
        "source_url": "",
        "media_type": attachment.media_type if attachment else "",
        "size": attachment.size if attachment else 0,
        "name": attachment.name if attachment else "",
        "key": attachment.key if attachment else "",
    }


def _guard(work: Work, parts: list[Part]) -> dict[str, Any]:
    """What the loop guard remembers: a fingerprint of input and answer, and how often it came in a row."""
    text = repr((work.text, [(part.text, part.media) for part in parts]))
    key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return {"key": key, "count": work.guard.get("count", 0) + 1 if work.guard.get("key") == key else 1}
