"""One door to the database: short reads, and writes that return once they are durable.

SQLite allows one writer at a time and waits badly for it, so on SQLite the writes of a process take turns, and those
that wait at the same moment share one commit. PostgreSQL writes run side by side.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from hub.store.prepared import as_sqlalchemy

T = TypeVar("T")
Job = Callable[[Connection], T]
"""Work inside one transaction. It may run twice (a commit that failed is repeated), so it touches nothing else."""

BATCH = 64
BUSY_SECONDS = 30
_PG_REPEAT = ("40001", "40P01")  # serialization failure, deadlock
_PG_TRIES = 5


class Store:
    """The database of one process.

    :param url: SQLAlchemy URL, ``sqlite:///…`` or ``postgresql+psycopg://…``.
    :param connections: how many threads may use PostgreSQL at once; further ones wait.
    """

    def __init__(self, url: str, *, connections: int = 16) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url, connections)
        self._writer = _Writer(self.engine) if self.is_sqlite else None
        # Fewer writes at once than connections, so that a write that needs a read beside it always gets one.
        self._slots = threading.BoundedSemaphore(connections)

    def insert(self, table: Any) -> Any:
        """``INSERT`` of this dialect, which knows ``ON CONFLICT``."""
        target: Table = getattr(table, "__table__", table)
        return sqlite.insert(target) if self.is_sqlite else postgresql.insert(target)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; it sees what was committed when it is entered."""
        with self.engine.connect() as connection:
            yield connection

    def write(self, job: Job[T]) -> T:
        """Run `job` in a transaction and return its result once that is committed.

        :raises Exception: what `job` raised; nothing of it is kept then.
        """
        if self._writer is not None:
            return self._writer.run(job)
        for attempt in range(_PG_TRIES):
            try:
                with self._slots, self.engine.begin() as connection:
                    return job(connection)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _PG_REPEAT or attempt == _PG_TRIES - 1:
                    raise
                time.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Finish waiting writes and let go of every connection."""
        if self._writer is not None:
            self._writer.close()
        self.engine.dispose()


class _Pending(Generic[T]):
    """A job on its way into a commit; a bare lock is the cheapest thing to wait on."""

    __slots__ = ("done", "error", "job", "leads", "result")

    def __init__(self, job: Job[T]) -> None:
        self.job = job
        self.result: T | None = None
        self.error: BaseException | None = None
        self.leads = False
        self.done = threading.Lock()
        self.done.acquire()


class _Writer:
    """Group commit: one thread at a time leads, and puts the jobs that wait at that moment into its commit.

    A job that finds nobody writing is committed by its own thread at once. The others wait; when the leader is done,
    the first of those that came meanwhile leads the next commit.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(hub_write=True)
        self._connection: Connection | None = None
        self._waiting: deque[_Pending[Any]] = deque()
        self._busy = False
        self._lock = threading.Lock()

    def run(self, job: Job[T]) -> T:
        pending = _Pending(job)
        with self._lock:
            self._waiting.append(pending)
            leads = not self._busy
            self._busy = True
        if not leads:
            pending.done.acquire()
            leads = pending.leads
        if leads:
            self._lead()
        if pending.error is not None:
            raise pending.error
        return pending.result  # type: ignore[return-value]

    def close(self) -> None:
        """Let go of the connection; jobs under way are finished first."""
        if self._connection is None:
            return
        self.run(lambda _: None)
        self._connection.close()
        self._connection = None

    def _lead(self) -> None:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            self._commit(self._connection, batch)
        except BaseException as error:
            for pending in batch:
                pending.error = pending.error or error
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            if following is not None:
                following.leads = True
            else:
                self._busy = False
        for pending in batch:
            pending.done.release()
        if following is not None:
            following.done.release()

    def _commit(self, connection: Connection, batch: list[_Pending[Any]]) -> None:
        """All of `batch` in one commit; if one fails, each in its own, so that only that one fails."""
        try:
            with connection.begin():
                for pending in batch:
                    pending.result = pending.job(connection)
        except BaseException as error:
            # A lock that did not come within BUSY_SECONDS will not come for each of them in turn either.
            if len(batch) > 1 and not unavailable(error):
                for pending in batch:
                    self._commit(connection, [pending])
                return
            for pending in batch:
                pending.error = error


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=64,
        # Texts of people are parameters; they have no business in error messages.
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _prepare(dbapi_connection: Any, _record: Any) -> None:
        # SQLAlchemy emits BEGIN itself (below), so that writers take the lock at once and never upgrade a read.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "wal_autocheckpoint=4000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("hub_write")
        driver: Any = connection.connection.driver_connection
        try:
            # Through the driver: SQLAlchemy's own way costs as much as an INSERT.
            driver.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")
        except sqlite3.Error as error:
            raise as_sqlalchemy(connection, error) from error

    return engine


def _postgres_engine(url: str, connections: int) -> Engine:
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=connections,
        pool_timeout=60,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": 10},
    )


def unavailable(error: BaseException) -> bool:
    """Whether `error` says that the database could not be reached or was too busy, rather than that a row is wrong."""
    return isinstance(error, OperationalError) or (isinstance(error, DBAPIError) and error.connection_invalidated)
