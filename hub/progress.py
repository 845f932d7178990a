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

from sqlalchemy import Connection, bindparam, insert, select, update

from hub import clock
from hub.attachments import Attachments
from hub.characters import encodable
from hub.directory import BoundIntegration
from hub.errors import AssistantFailed, TurnFailed
from hub.files import expected, keep, note
from hub.ids import uuid7
from hub.lane import Held, Leases
from hub.logs import Logged, Logs
from hub.memory import Memory
from hub.outbox import SAME_ANSWERS, Delivery, Outbox
from hub.rendering.text import Part
from hub.request import INPUTS, told_error
from hub.store import Store, models
from hub.store.prepared import Prepared
from hub.turns import Session

STAGES = ("begun", "prepared", "answered", "rendered", "refused", "failed")
"""What `turn.state` says: the last stage that finished. The last three are ends."""
FORCED = ("no_input", "skip")
"""Kinds of turns that an assistant asked for itself; they begin in the commit that ends the turn before."""

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
        memory=bindparam("new_memory"),
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
    memory: Memory
    notes: dict[str, Any]
    send_error: dict[str, Any] | None
    files: tuple[dict[str, Any], ...]
    correlation: str
    since: datetime
    resumed: int = 0


@dataclass(slots=True)
class Result:
    """What a turn came to: the answer and the messages it becomes.

    :param refused_by: the plugin that refused the turn, or None.
    :param memory: what the session remembers from now on.
    :param ends: the session ends after these messages.
    :param asks: the kind of the turn that follows at once, or None.
    :param logged: what the logs get, or None.
    """

    response: dict[str, Any] | None
    session_id: str | None
    parts: list[Part]
    error: AssistantFailed | TurnFailed | None
    attachments: Attachments
    memory: Memory
    timings: dict[str, float] = field(default_factory=dict)
    refused_by: str | None = None
    answered_by: str | None = None
    ends: bool = False
    asks: str | None = None
    logged: Logged | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What follows a turn that was committed.

    :param delivery: the attempt to send its first message, which began with the same commit.
    :param timeout: when the session wants a time-out turn, if it does.
    :param ended: the session is over. :param next_turn: the turn that began in the same commit.
    """

    delivery: Delivery | None
    timeout: datetime | None
    ended: bool
    next_turn: UUID | None


class Progress:
    """Begins, resumes and finishes turns in the store."""

    def __init__(self, store: Store, outbox: Outbox, leases: Leases, logs: Logs) -> None:
        self._store = store
        self._outbox = outbox
        self._leases = leases
        self._logs = logs

    def begin(self, connection: Connection, held: Held, bound: BoundIntegration, message: Any) -> Work:
        """Take the next text of the lane into a new turn, in the session that lives or in a new one."""
        session, guard, memory, fresh = self._session(connection, held, bound)
        now = clock.now()
        turn = uuid7()
        _INSERT_TURN.run(
            connection,
            _turn_row(
                turn, held, session.id, bound.id, "text", message.recipient, message.correlation, now, message.id
            ),
        )
        _TAKE_MESSAGE.run(connection, {"message": message.id, "turn": turn})
        if fresh:
            _SET_BOTH.run(connection, {"lane": held.id, "turn": turn, "session": session.id})
        else:
            _SET_TURN.run(connection, {"lane": held.id, "turn": turn})
        files = expected(turn, message.media, now)
        if files:
            connection.execute(insert(models.Attachment), list(files))
        return Work(
            turn, held, bound.id, "text", message.text, message.recipient, "begun", None, None, session, guard, memory,
            {}, held.send_error, files, message.correlation, message.created_at,
        )  # fmt: skip

    def begin_timeout(self, connection: Connection, held: Held, bound: BoundIntegration, row: Any) -> Work:
        """A turn that tells the assistant that the session has timed out; it ends the session."""
        now = clock.now()
        turn = uuid7()
        number = connection.execute(
            select(models.Turn.number).where(models.Turn.session_id == row.id).order_by(models.Turn.id.desc()).limit(1)
        ).scalar_one()
        _INSERT_TURN.run(connection, _turn_row(turn, held, row.id, bound.id, "timeout", number, turn.hex[-12:], now))
        _SET_TURN.run(connection, {"lane": held.id, "turn": turn})
        session = Session(row.id, row.assistant_session_id, row.context, row.turn_count)
        return Work(
            turn, held, bound.id, "timeout", INPUTS["timeout"], number, "begun", None, None, session, row.guard,
            Memory.of(row.memory), {}, held.send_error, (), turn.hex[-12:], now,
        )  # fmt: skip

    def integration_of(self, connection: Connection, turn: UUID) -> UUID:
        """The integration a turn belongs to."""
        found: UUID = connection.execute(
            select(models.Turn.integration_id).where(models.Turn.id == turn)
        ).scalar_one()
        return found

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
        # A turn that the assistant asked for is taken up here for the first time.
        send_error = told_error(row.request) if row.request else held.send_error
        resumed = int(row.timings.get("resumed", -1 if row.kind in FORCED else 0)) + 1
        connection.execute(
            update(models.Turn).where(models.Turn.id == row.id).values(timings={**row.timings, "resumed": resumed})
        )
        text, since = (message.text, message.created_at) if message else (INPUTS.get(row.kind, ""), row.created_at)
        view = Session(session.id, session.assistant_session_id, session.context, session.turn_count)
        return Work(
            row.id, held, row.integration_id, row.kind, text, row.number, row.state, row.request, row.response, view,
            session.guard, Memory.of(session.memory), row.memory, send_error,
            tuple(dict(file) for file in files), row.correlation, since, resumed,
        )  # fmt: skip

    def finish(
        self,
        connection: Connection,
        bound: BoundIntegration,
        work: Work,
        result: Result,
        send_error: dict[str, Any] | None,
    ) -> Finished:
        """Commit the answer and its messages, and begin the turn the assistant asked for, if it did.

        :param send_error: the lane's, as this transaction sees it.

        The lane's `turn_id` is cleared by the caller's ``hold(done=True)`` before.
        """
        now = clock.now()
        options = bound.options
        state = "failed" if result.error else "refused" if result.refused_by else "rendered"
        _FINISH_TURN.run(
            connection,
            {
                "turn": work.id,
                "new_state": state,
                "answer": result.response,
                "times": {**result.timings, "resumed": work.resumed} if work.resumed else result.timings,
                "problem": encodable(f"{result.error.code}: {result.error}")[:500] if result.error else None,
                "now": now,
            },
        )
        expires = clock.after(result.memory.session_timeout or options.session_timeout)
        guard = self._touch_session(connection, bound, work, result, expires)
        if result.attachments.touched:
            keep(connection, work.id, result.attachments)
        delivery = self._outbox.put(
            connection, bound, work.lane.id, turn=work.id, sender=work.number, person=work.lane.person,
            parts=result.parts, correlation=work.correlation, repeated=guard["count"] > SAME_ANSWERS,
            at_once=True,
        )  # fmt: skip
        if result.logged is not None:
            self._logs.put(connection, bound.assistant, result.logged)
        told = result.response is not None and result.answered_by is None
        if send_error is not None and send_error == work.send_error and told:
            connection.execute(update(models.Lane).where(models.Lane.id == work.lane.id).values(send_error=None))
        ended = result.ends or work.kind == "timeout"
        if ended:
            self.end_session(connection, work.lane.id, work.session.id)
            return Finished(delivery, None, True, None)
        timeout = expires if options.notify_on_session_timeout else None
        following = self._begin_asked(connection, work, result.asks, now) if result.asks else None
        return Finished(delivery, timeout, False, following)

    def _touch_session(
        self, connection: Connection, bound: BoundIntegration, work: Work, result: Result, expires: datetime
    ) -> dict[str, Any]:
        """Write what the session is after this turn; returns the loop guard's memory."""
        guard = _guard(work, result.parts)
        context = work.session.context
        if result.response is not None and isinstance(result.response.get("context"), dict):
            context = result.response["context"]
        answered = result.response is not None and result.error is None and result.answered_by is None
        _TOUCH_SESSION.run(
            connection,
            {
                "session": work.session.id,
                "theirs": result.session_id,
                "new_context": dict(context),
                "turns": work.session.turn_count + answered,
                "new_guard": guard,
                "new_memory": result.memory.row(),
                "expires": expires,
                "new_channel": bound.channel_name,
                "integration": bound.id,
            },
        )
        return guard

    def _begin_asked(self, connection: Connection, work: Work, kind: str, now: datetime) -> UUID:
        """The turn the assistant asked for; whoever holds the lane next takes it up."""
        turn = uuid7()
        row = _turn_row(
            turn, work.lane, work.session.id, work.integration_id, kind, work.number, work.correlation, now
        )
        _INSERT_TURN.run(connection, row)
        _SET_TURN.run(connection, {"lane": work.lane.id, "turn": turn})
        return turn

    def end_session(self, connection: Connection, lane: UUID, session: UUID) -> None:
        """The session is over; the next text begins a new one."""
        connection.execute(
            update(models.Session).where(models.Session.id == session).values(state="ended", ended_at=clock.now())
        )
        connection.execute(
            update(models.Lane)
            .where(models.Lane.id == lane, models.Lane.session_id == session)
            .values(session_id=None, send_error=None)
        )

    def _session(
        self, connection: Connection, held: Held, bound: BoundIntegration
    ) -> tuple[Session, dict[str, Any], Memory, bool]:
        """The session that lives on this lane with what is remembered of it, or a new one (the last value is True)."""
        now = clock.now()
        if held.session_id is not None:
            row = _SESSION.first(connection, {"session": held.session_id})
            if row.state != "ended" and row.expires_at > now:
                session = Session(row.id, row.assistant_session_id, row.context, row.turn_count)
                return session, row.guard, Memory.of(row.memory), False
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
                "memory": {},
                "expires_at": clock.after(bound.options.session_timeout),
                "ended_at": None,
            },
        )
        return Session(identifier, None, {}, 0), {}, Memory(), True

    def commit_files(self, work: Work, states: dict[UUID, dict[str, Any]]) -> None:
        """Commit what became of the files that were still at the provider."""

        def job(connection: Connection) -> None:
            self._leases.hold(connection, work.lane.id)
            note(connection, states)

        self._store.write(job)

    def commit(
        self,
        work: Work,
        state: str,
        attachments: Attachments,
        notes: dict[str, Any],
        *,
        request: dict[str, Any] | None = None,
        response: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> None:
        """Commit the end of a stage in the middle of a turn.

        :param notes: what the stages that follow have to know, for the turn's `memory`.
        """
        values: dict[str, Any] = {"state": state, "memory": notes}
        if request is not None:
            values["request"] = request
        if response is not None:
            values["response"] = response

        def job(connection: Connection) -> None:
            self._leases.hold(connection, work.lane.id)
            connection.execute(update(models.Turn).where(models.Turn.id == work.id).values(**values))
            if attachments.touched:
                keep(connection, work.id, attachments)
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
    integration: UUID,
    kind: str,
    number: str,
    correlation: str,
    now: datetime,
    message: UUID | None = None,
) -> dict[str, Any]:
    return {
        "id": identifier,
        "created_at": now,
        "lane_id": held.id,
        "session_id": session,
        "integration_id": integration,
        "message_id": message,
        "kind": kind,
        "number": number,
        "state": "begun",
        "request": None,
        "response": None,
        "timings": {},
        "memory": {},
        "error": None,
        "correlation": correlation,
        "finished_at": None,
    }


def _guard(work: Work, parts: list[Part]) -> dict[str, Any]:
    """What the loop guard remembers: a fingerprint of input and answer, and how often it came in a row."""
    text = repr((work.text, [(part.text, part.media) for part in parts]))
    key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return {"key": key, "count": work.guard.get("count", 0) + 1 if work.guard.get("key") == key else 1}
