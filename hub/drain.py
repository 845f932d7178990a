"""Working a lane off: take the lease, then one step after another until nothing is due, then give it back.

A step is a turn or one attempt to deliver a message. The commit that notes a step's result also decides on the next
one, so an undisturbed turn costs three commits: begin, answer with its messages, sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from hub import clock
from hub.directory import BoundIntegration, Directory
from hub.errors import LeaseLost
from hub.lane import Held, Leases
from hub.log import get_logger
from hub.metrics import STAGE_SECONDS
from hub.outbox import COLUMNS, Delivery, Outbox
from hub.progress import Progress, Work
from hub.store import Store
from hub.store.models import Message, Session
from hub.store.prepared import Prepared
from hub.turn import Turns

_HEAD = Prepared(
    select(Message.queue, *COLUMNS)
    .where(Message.lane_id == bindparam("lane"), Message.queue.is_not(None))
    # What waits to leave comes before what came in, so answers keep the order of the texts.
    .order_by(Message.queue.desc(), Message.id)
    .limit(1)
)
_SESSION = Prepared(select(Session.__table__).where(Session.id == bindparam("session")))

Step = Work | Delivery
WakeAt = Callable[[UUID, datetime], None]


@dataclass(slots=True)
class _Course:
    """What one drain of a lane has learned.

    :param known: a turn was finished, so `timeout` and `turn` are true.
    :param timeout: when the session wants a time-out turn, if it does.
    :param turn: the assistant has asked for a further turn.
    :param farewells: sessions that are over, to be told to their assistants.
    """

    known: bool = False
    timeout: datetime | None = None
    turn: bool = False
    farewells: list[tuple[BoundIntegration, str]] = field(default_factory=list)


class Drain:
    """Works lanes off.

    :param wake_at: asked to look at a lane again at a later time (a retry, a session time-out).
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        leases: Leases,
        turns: Turns,
        progress: Progress,
        outbox: Outbox,
        wake_at: WakeAt,
    ) -> None:
        self._store = store
        self._directory = directory
        self._leases = leases
        self._turns = turns
        self._progress = progress
        self._outbox = outbox
        self._wake_at = wake_at
        self.stopping = threading.Event()

    def drain(self, lane: UUID) -> None:
        """Do everything that is due on `lane`, unless another worker is at it. Never raises."""
        course = _Course()
        try:
            step = self._store.write(lambda connection: self._take(connection, lane, course))
            while step is not None:
                step = self._deliver(step, course) if isinstance(step, Delivery) else self._run(step, course)
        except LeaseLost as error:
            get_logger().warning("lease_lost", lane=str(lane), reason=str(error))
        except Exception:
            get_logger().error("lane_failed", lane=str(lane), exc_info=True)
            self._put_aside(lane)
        finally:
            self._leases.forget(lane)
        for bound, session in course.farewells:
            self._turns.farewell(bound, session)

    def _take(self, connection: Connection, lane: UUID, course: _Course) -> Step | None:
        held = self._leases.take(connection, lane)
        if held is None:
            return None
        return self._next(connection, held, _HEAD.first(connection, {"lane": lane}), course)

    def _run(self, work: Work, course: _Course) -> Step | None:
        bound = self._directory.integration(work.integration_id)
        result = self._turns.run(bound, work)

        def job(connection: Connection) -> Step | None:
            held = self._leases.hold(connection, work.lane.id, done=True)
            done = self._progress.finish(connection, bound, work, result, held.send_error)
            course.known, course.timeout, course.turn = True, done.timeout, done.next_turn is not None
            if done.delivery is not None:
                return done.delivery
            held = replace(held, turn_id=done.next_turn, session_id=None if done.ended else held.session_id)
            return self._next(connection, held, _HEAD.first(connection, {"lane": held.id}), course)

        began = time.perf_counter()
        step = self._store.write(job)
        if (result.ends or work.kind == "timeout") and result.session_id:
            course.farewells.append((bound, result.session_id))
        STAGE_SECONDS.labels("commit").observe(time.perf_counter() - began)
        self._turns.count(bound, work, result)
        return step

    def _deliver(self, delivery: Delivery, course: _Course) -> Step | None:
        bound = self._directory.integration(delivery.integration_id)
        if not self._leases.fresh(delivery.lane):
            # Whoever took the lane meanwhile may be sending this very message.
            self._store.write(lambda connection: self._leases.hold(connection, delivery.lane))
        began = time.perf_counter()
        outcome = self._outbox.deliver(bound, delivery)
        STAGE_SECONDS.labels("send").observe(time.perf_counter() - began)

        def job(connection: Connection) -> Step | None:
            # Mostly nothing follows, so the lease is given back first, which proves that it was ours, locks the row,
            # and lets what is read next be complete; taking it again in the same commit is always possible.
            self._leases.release(connection, delivery.lane, course.timeout)
            self._outbox.note(connection, bound, outcome)
            row = _HEAD.first(connection, {"lane": delivery.lane})
            if row is None and course.known and not course.turn:
                self._later(delivery.lane, course.timeout)
                return None
            held = self._leases.take(connection, delivery.lane)
            return None if held is None else self._next(connection, held, row, course)

        step = self._store.write(job)
        self._outbox.count(bound, outcome)
        return step

    def _next(self, connection: Connection, held: Held, row: Any, course: _Course) -> Step | None:
        """Commit the beginning of the next step, or give the lease back. `row` is the lane's first waiting message."""
        if self.stopping.is_set():
            self._leases.release(connection, held.id, clock.now())
            return None
        if row is not None and row.queue == "outbox":
            if row.next_attempt_at is not None and row.next_attempt_at > clock.now():
                self._release(connection, held.id, row.next_attempt_at)
                return None
            return self._outbox.attempt(connection, held.id, row)
        if held.turn_id is not None:
            if self._unusable(self._progress.integration_of(connection, held.turn_id)):
                self._wait(connection, held.id)
                return None
            return self._progress.resume(connection, held)
        if row is None:
            return self._idle(connection, held, course)
        if self._unusable(row.integration_id):
            self._wait(connection, held.id)
            return None
        return self._progress.begin(connection, held, self._directory.integration(row.integration_id), row)

    def _unusable(self, integration: UUID) -> bool:
        """Whether the integration's channel is not loaded: its texts wait until it is."""
        return self._directory.integration(integration).channel is None

    def _wait(self, connection: Connection, lane: UUID) -> None:
        self._release(connection, lane, clock.after(self._leases.seconds))

    def _idle(self, connection: Connection, held: Held, course: _Course) -> Step | None:
        """Nothing waits: a session that timed out and wants to say so, or the end of the lease."""
        timeout = course.timeout
        if held.session_id is not None and not course.known:
            row = _SESSION.first(connection, {"session": held.session_id})
            if row is not None and row.state != "ended":
                bound = self._directory.integration(row.integration_id)
                if bound.options.notify_on_session_timeout:
                    if row.expires_at <= clock.now():
                        return self._progress.begin_timeout(connection, held, bound, row)
                    timeout = row.expires_at
        self._release(connection, held.id, timeout)
        return None

    def _release(self, connection: Connection, lane: UUID, again: datetime | None) -> None:
        self._leases.release(connection, lane, again)
        self._later(lane, again)

    def _later(self, lane: UUID, again: datetime | None) -> None:
        if again is not None:
            self._wake_at(lane, again)

    def _put_aside(self, lane: UUID) -> None:
        """After an error nobody foresaw: free the lane, to be tried again one lease later."""
        again = clock.after(self._leases.seconds)
        try:
            self._store.write(lambda connection: self._leases.release(connection, lane, again))
        except LeaseLost:
            return
        except Exception:
            get_logger().error("lane_not_released", lane=str(lane), exc_info=True)
