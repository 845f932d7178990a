"""Events for ``logged`` hooks: committed with the turn, offered to the plugins beside the conversation.

The rows are the queue, so an event survives a restart; who offers one first puts its time off, so one that dies with
its worker is offered again. No answer ever waits for any of this.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update

from hub import clock
from hub.directory import BoundAssistant, Directory
from hub.errors import LogFailed
from hub.hooks import Hooks
from hub.ids import uuid7
from hub.log import get_logger
from hub.metrics import LOGGED
from hub.plugins import Registry
from hub.privacy import without_private
from hub.store import Store, models
from hub.turns import LogEvent

PAUSES = (1.0, 5.0, 25.0)
"""Seconds to the next attempt after the first, second and third; then the event is dropped (contract: log webhook)."""
OLDEST = timedelta(days=1)
"""What has not been taken for so long is dropped: a log that never comes back must not fill the store."""
UNUSABLE_SECONDS = 60.0
"""Until an event is looked at again whose assistant cannot be used, for example for want of a plugin."""
STOP_SECONDS = 5.0
THREADS = 8
AT_ONCE = 2
"""Events of one assistant offered to one plugin at the same time, so that a log that hangs holds up no other."""
BATCH = 100


@dataclass(frozen=True, slots=True)
class Logged:
    """What a turn has to say to the logs.

    :param request: as the assistant got it. :param response: as it was rendered.
    """

    turn: UUID
    session: UUID
    assistant_session_id: str | None
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    asked_at: datetime
    answered_at: datetime


class Logs:
    """Puts events into the store and offers them to the plugins.

    :param sweep_seconds: how often due events are looked for that nobody announced.
    """

    def __init__(
        self, store: Store, registry: Registry, directory: Directory, hooks: Hooks, sweep_seconds: float
    ) -> None:
        self._store = store
        self._registry = registry
        self._directory = directory
        self._hooks = hooks
        self._sweep_seconds = sweep_seconds
        self._claim_seconds = hooks.seconds + 30.0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._running: Counter[tuple[UUID, str]] = Counter()
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._thread: threading.Thread | None = None

    def wanted(self, assistant: BoundAssistant) -> bool:
        """Whether any plugin logs this assistant's turns."""
        return bool(self._hooks.of("logged", assistant))

    def put(self, connection: Connection, assistant: BoundAssistant, logged: Logged) -> None:
        """Commit a turn's event, once for each plugin that logs."""
        now = clock.now()
        payload = message_payload(assistant.name, logged)
        for each in self._hooks.of("logged", assistant):
            row = {
                "id": uuid7(), "created_at": now, "assistant_id": assistant.id, "plugin": each.plugin,
                "name": "message_logged", "payload": payload, "attempts": 0, "due_at": now,
            }  # fmt: skip
            connection.execute(insert(models.LogEvent), row)

    def wake(self) -> None:
        """There is something to offer; returns at once."""
        self._wake.set()

    def start(self) -> None:
        """Begin to offer events; calling it again does nothing."""
        if self._pid != os.getpid() and self._registry.implementations("logged"):
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._loop, name="logs", daemon=True)
            self._thread.start()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Begin no further offer, and wait for those under way.

        One that takes longer is offered again by another worker when its time has come.
        """
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _loop(self) -> None:
        pool = ThreadPoolExecutor(THREADS, "log")
        while not self._stopping.is_set():
            try:
                pause = self._offer_due(pool)
            except Exception:
                get_logger().error("log_events_not_read", exc_info=True)
                pause = self._sweep_seconds
            self._wake.wait(pause)
            self._wake.clear()
        pool.shutdown(wait=True, cancel_futures=True)

    def _offer_due(self, pool: ThreadPoolExecutor) -> float:
        """Hand every due event to the pool; returns the seconds until the next one, a sweep at most."""
        now = clock.now()
        with self._lock:
            full = [key for key, count in self._running.items() if count >= AT_ONCE]
        event = models.LogEvent
        # Without the payload, which only the one who claims the event needs.
        about = (event.id, event.created_at, event.assistant_id, event.plugin, event.name, event.attempts, event.due_at)
        query = select(*about).order_by(event.due_at).limit(BATCH)
        for assistant, plugin in full:
            query = query.where((event.assistant_id != assistant) | (event.plugin != plugin))
        with self._store.read() as connection:
            rows = connection.execute(query.where(event.due_at <= now)).all()
            following = connection.execute(select(func.min(event.due_at)).where(event.due_at > now)).scalar()
        for row in rows:
            key = (row.assistant_id, row.plugin)
            with self._lock:
                if self._running[key] >= AT_ONCE:
                    continue
                self._running[key] += 1
            try:
                payload = self._claim(row)
                if payload is not None:
                    pool.submit(self._offer, row, payload)
                    continue
            except BaseException:
                self._done(key)
                raise
            self._done(key)
        wait = self._sweep_seconds if following is None else (following - clock.now()).total_seconds()
        return min(max(wait, 0.01), self._sweep_seconds)

    def _claim(self, row: Any) -> dict[str, Any] | None:
        """The event's payload, if nobody else has taken it; put off until this worker must have ended with it."""

        def job(connection: Connection) -> dict[str, Any] | None:
            return connection.execute(
                update(models.LogEvent)
                .where(models.LogEvent.id == row.id, models.LogEvent.due_at == row.due_at)
                .values(due_at=clock.after(self._claim_seconds), attempts=row.attempts + 1)
                .returning(models.LogEvent.payload)
            ).scalar()

        return self._store.write(job)

    def _offer(self, row: Any, payload: dict[str, Any]) -> None:
        try:
            again = self._attempt(row, payload)

            def job(connection: Connection) -> None:
                table = models.LogEvent
                if again is None:
                    connection.execute(delete(table).where(table.id == row.id))
                else:
                    connection.execute(update(table).where(table.id == row.id).values(due_at=clock.after(again)))

            self._store.write(job)
        except Exception:
            get_logger().error("log_event_not_noted", plugin=row.plugin, exc_info=True)
        finally:
            self._done((row.assistant_id, row.plugin))

    def _done(self, key: tuple[UUID, str]) -> None:
        with self._lock:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
        self._wake.set()

    def _attempt(self, row: Any, payload: dict[str, Any]) -> float | None:
        """Offer one event; returns the seconds until it is offered again, or None when it is done with."""
        assistant = self._directory.assistant_by_id(row.assistant_id)
        old = clock.now() - row.created_at >= OLDEST or row.attempts > len(PAUSES)
        found = [each for each in self._hooks.of("logged", assistant) if each.plugin == row.plugin]
        if not found and assistant.error and not old:
            return UNUSABLE_SECONDS  # its sections are not known while it cannot be used
        if old:
            self._drop(row, assistant.name, row.attempts, "it was offered too often, or is too old")
            return None
        if not found:
            self._drop(row, assistant.name, row.attempts, "the plugin no longer logs")
            return None
        event = LogEvent(
            row.id, row.name, assistant.name, payload, row.created_at, row.attempts + 1,
            self._directory.services(row.plugin), self._directory.sections_of(row.plugin, assistant),
        )  # fmt: skip
        try:
            self._hooks.logged(found[0], event)
        except LogFailed as error:
            attempts = row.attempts + 1
            if error.retryable and attempts <= len(PAUSES):
                LOGGED.labels(row.plugin, "retry").inc()
                return PAUSES[attempts - 1]
            self._drop(row, assistant.name, attempts, str(error))
            return None
        LOGGED.labels(row.plugin, "taken").inc()
        return None

    def _drop(self, row: Any, assistant: str, attempts: int, reason: str) -> None:
        LOGGED.labels(row.plugin, "dropped").inc()
        get_logger().error(
            "log_event_dropped", plugin=row.plugin, assistant=assistant, attempts=attempts, reason=reason
        )


def message_payload(assistant: str, logged: Logged) -> dict[str, Any]:
    """A turn in the form of a log of the assistant service, without private variables (IBM: log webhook).

    What the assistant has masked is logged masked.
    """
    request, response = logged.request, logged.response
    context = _object(response.get("context"))
    system = _object(_object(context.get("global")).get("system"))
    user = request.get("user_id")
    return {
        "log_id": str(logged.turn),
        "request": {
            "input": response.get("masked_input", request.get("input")),
            "context": without_private(_object(request.get("context"))),
            "user_id": user,
        },
        "response": {
            "output": response.get("masked_output", response.get("output")),
            "context": without_private(context),
            "user_id": response.get("user_id", user),
        },
        "assistant_id": assistant,
        "session_id": logged.assistant_session_id or str(logged.session),
        "skill_id": "",
        "snapshot": "",
        "request_timestamp": _timestamp(logged.asked_at),
        "response_timestamp": _timestamp(logged.answered_at),
        "language": str(system.get("locale") or "en")[:2],
        "customer_id": user,
    }


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
