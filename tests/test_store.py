"""The store: a write is durable when it returns, fails alone, never hangs; migrations and models say the same."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from inprocess import LocalHub
from sqlalchemy import create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from hub import clock
from hub.errors import ConfigError, SchemaOutdated
from hub.ids import uuid7, uuid7_floor
from hub.store import Store, schema
from hub.store.models import Base, OptOut

VERSIONS = Path(__file__).parent.parent / "migrations" / "versions"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    schema.upgrade(database_url)
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'hub.sqlite3'}"
    schema.upgrade(url)
    return url


def note(person: str, **values: Any) -> Callable[[Any], str]:
    """A job that inserts one row."""

    def job(connection: Any) -> str:
        row = {"id": uuid7(), "created_at": clock.now(), "sender": "s", "person": person, "reason": "r", **values}
        connection.execute(insert(OptOut.__table__), row)
        return person

    return job


def people(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(OptOut.person).order_by(OptOut.id)).scalars())


def outcome(store: Store, job: Callable[[Any], Any]) -> Any:
    try:
        return store.write(job)
    except Exception as error:
        return error


def while_a_write_is_under_way(store: Store, jobs: list[Callable[[Any], Any]]) -> list[Any]:
    """What becomes of `jobs` that all come while another write holds the store up."""
    entered, go_on = threading.Event(), threading.Event()

    def slow(_connection: Any) -> None:
        entered.set()
        assert go_on.wait(20)

    with ThreadPoolExecutor(len(jobs) + 1) as pool:
        first = pool.submit(store.write, slow)
        assert entered.wait(20)
        results = [pool.submit(outcome, store, job) for job in jobs]
        while not all(result.running() or result.done() for result in results):
            time.sleep(0.01)
        time.sleep(0.05)
        go_on.set()
        first.result(20)
        return [result.result(20) for result in results]


class TestWrite:
    def test_what_was_written_is_durable_when_write_returns(self, store: Store, database_url: str) -> None:
        assert store.write(note("ann")) == "ann"
        other = create_engine(database_url)
        with other.connect() as connection:
            assert connection.execute(text("SELECT person FROM opt_out")).scalars().all() == ["ann"]
        other.dispose()

    def test_sqlite_survives_a_power_cut_and_readers_do_not_wait(self, sqlite_url: str) -> None:
        store = Store(sqlite_url)
        pragmas = store.write(
            lambda connection: [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        )
        store.close()
        assert pragmas == ["wal", 2, 1]

    def test_of_a_job_that_raises_nothing_is_kept(self, store: Store) -> None:
        def job(connection: Any) -> None:
            note("ann")(connection)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.write(job)
        assert people(store) == []
        assert store.write(note("bob")) == "bob"

    def test_of_many_writes_at_once_the_wrong_ones_fail_alone(self, store: Store) -> None:
        def raises(connection: Any) -> None:
            note("nobody")(connection)
            raise ZeroDivisionError

        store.write(note("taken"))
        results = while_a_write_is_under_way(store, [note("ann"), raises, note("bob"), note("taken"), note("cid")])
        assert [results[0], results[2], results[4]] == ["ann", "bob", "cid"]
        assert isinstance(results[1], ZeroDivisionError)
        assert isinstance(results[3], IntegrityError)
        assert sorted(people(store)) == ["ann", "bob", "cid", "taken"]

    def test_on_sqlite_writes_that_wait_together_share_a_commit(self, sqlite_url: str) -> None:
        store = Store(sqlite_url)
        commits = []
        event.listen(store.engine, "commit", commits.append)
        results = while_a_write_is_under_way(store, [note(f"p{number}") for number in range(20)])
        assert results == [f"p{number}" for number in range(20)]
        assert len(people(store)) == 20
        assert len(commits) <= 4
        store.close()

    def test_a_read_sees_what_was_committed_before_and_not_what_is_under_way(self, store: Store) -> None:
        def job(connection: Any) -> list[str]:
            note("ann")(connection)
            return people(store)

        assert store.write(job) == []
        assert people(store) == ["ann"]

    def test_more_threads_than_connections_all_get_their_turn(self, database_url: str) -> None:
        schema.upgrade(database_url)
        store = Store(database_url, connections=3)

        def write_and_read(number: int) -> str:
            def job(connection: Any) -> str:
                people(store)
                return note(f"p{number}")(connection)

            return store.write(job)

        with ThreadPoolExecutor(24) as pool:
            assert len(list(pool.map(write_and_read, range(48)))) == 48
        assert len(people(store)) == 48
        store.close()

    def test_after_close_the_store_can_be_used_again_and_closed_twice(self, store: Store) -> None:
        store.write(note("ann"))
        store.close()
        store.close()
        store.write(note("bob"))
        assert people(store) == ["ann", "bob"]


class TestBusy:
    @pytest.fixture
    def busy(self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, sqlite3.Connection]]:
        """A store whose database is being written by somebody else."""
        monkeypatch.setattr("hub.store.database.BUSY_SECONDS", 0.3)
        store = Store(sqlite_url)
        somebody = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        somebody.execute("BEGIN IMMEDIATE")
        yield store, somebody
        somebody.close()
        store.close()

    def test_a_write_fails_after_the_wait_and_works_again_afterwards(
        self, busy: tuple[Store, sqlite3.Connection]
    ) -> None:
        store, somebody = busy
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(OperationalError, match="locked"):
                store.write(note("ann"))
            assert time.monotonic() - began < 3
        somebody.execute("COMMIT")
        assert store.write(note("bob")) == "bob"
        assert people(store) == ["bob"]

    def test_many_writes_fail_together_and_not_one_wait_after_the_other(
        self, busy: tuple[Store, sqlite3.Connection]
    ) -> None:
        store, _ = busy
        began = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            results = list(pool.map(lambda number: outcome(store, note(f"p{number}")), range(20)))
        assert all(isinstance(result, OperationalError) for result in results)
        assert time.monotonic() - began < 3

    def test_reads_do_not_wait_for_the_writer(self, busy: tuple[Store, sqlite3.Connection]) -> None:
        store, _ = busy
        assert people(store) == []


@pytest.mark.parametrize("url", ["sqlite:////proc/no/such/folder/x.db", "postgresql+psycopg://u@127.0.0.1:1/x"])
def test_a_write_to_an_unreachable_database_fails_and_does_not_hang(url: str) -> None:
    store = Store(url)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(outcome(store, note("ann"))), daemon=True)
    thread.start()
    thread.join(10)
    assert [type(result) for result in results] == [OperationalError]


@pytest.mark.parametrize("url", ["sqlite:////proc/no/such/folder/x.db", "postgresql+psycopg://u@127.0.0.1:1/x"])
def test_closing_a_store_that_was_never_reached_is_quiet(url: str) -> None:
    Store(url).close()


class TestPostgres:
    @pytest.fixture
    def store(self, postgres_server: str, request: pytest.FixtureRequest) -> Iterator[Store]:
        store = Store(postgres_server.replace("postgresql://", "postgresql+psycopg://", 1))
        yield store
        store.close()

    @pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
    def test_a_serialization_failure_or_deadlock_is_repeated(self, store: Store, sqlstate: str) -> None:
        tries = []

        def job(connection: Any) -> int:
            tries.append(1)
            if len(tries) < 3:
                connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")
            return len(tries)

        assert store.write(job) == 3

    def test_repeating_comes_to_an_end(self, store: Store) -> None:
        tries = []

        def job(connection: Any) -> None:
            tries.append(1)
            connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")

        with pytest.raises(DBAPIError):
            store.write(job)
        assert 2 <= len(tries) <= 10

    def test_other_errors_are_not_repeated(self, store: Store) -> None:
        tries = []

        def job(connection: Any) -> None:
            tries.append(1)
            connection.exec_driver_sql("SELECT 1/0")

        with pytest.raises(DBAPIError):
            store.write(job)
        assert len(tries) == 1

    def test_two_writes_that_lock_each_other_out_both_end_well(self, store: Store) -> None:
        both = threading.Barrier(2)
        tries: list[int] = []

        def crossing(first: int, second: int) -> None:
            def job(connection: Any) -> None:
                tries.append(first)
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": first})
                if tries.count(first) == 1:
                    both.wait(20)
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": second})

            store.write(job)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(crossing, 7001, 7002), pool.submit(crossing, 7002, 7001)]:
                done.result(30)
        assert len(tries) == 3


class TestTimes:
    def test_a_time_without_a_zone_is_refused(self, store: Store) -> None:
        with pytest.raises(Exception, match="aware"):
            store.write(note("ann", created_at=datetime(2026, 1, 1)))
        assert people(store) == []

    def test_times_go_in_with_any_zone_and_come_out_as_utc(self, store: Store) -> None:
        there = datetime(2026, 7, 1, 12, 30, 15, 123456, timezone(timedelta(hours=5, minutes=30)))
        store.write(note("ann", created_at=there))
        with store.read() as connection:
            found = connection.execute(select(OptOut.created_at)).scalar_one()
        assert found == there
        assert found.tzinfo == UTC
        assert found.hour == 7


class TestIds:
    def test_they_are_version_seven_and_each_is_greater_than_the_one_before(self) -> None:
        made = [uuid7() for _ in range(2000)]
        assert made == sorted(set(made))
        assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}

    def test_threads_never_make_the_same(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            made = [each for batch in pool.map(lambda _: [uuid7() for _ in range(500)], range(8)) for each in batch]
        assert len(set(made)) == 4000

    def test_the_floor_of_a_moment_lies_between_before_and_after(self) -> None:
        before = uuid7()
        time.sleep(0.002)
        floor = uuid7_floor(clock.now())
        time.sleep(0.002)
        assert before < floor < uuid7()


class TestSchema:
    def test_migrations_and_models_say_the_same(self, store: Store) -> None:
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []

    def test_indexes_of_migrations_and_models_cover_the_same_rows(self, tmp_path: Path, sqlite_url: str) -> None:
        def indexes(url: str) -> set[str]:
            engine = create_engine(url)
            with engine.begin() as connection:
                Base.metadata.create_all(connection)
                found = connection.execute(
                    text("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
                )
                statements = {re.sub(r"\s+", " ", sql) for sql in found.scalars()}
            engine.dispose()
            return statements

        assert indexes(sqlite_url) == indexes(f"sqlite:///{tmp_path / 'models.sqlite3'}")

    def test_the_code_needs_the_newest_migration(self) -> None:
        newest = max(path.name for path in VERSIONS.glob("[0-9]*.py"))
        assert newest.split("_")[0] == schema.HEAD
        assert f'revision = "{schema.HEAD}"' in (VERSIONS / newest).read_text()

    def test_upgrading_twice_changes_nothing(self, database_url: str) -> None:
        assert schema.upgrade(database_url) == schema.upgrade(database_url) == schema.HEAD
        store = Store(database_url)
        assert schema.current(store) == schema.HEAD
        schema.require_current(store)
        store.close()

    def test_conversations_of_the_version_before_go_on(self, database_url: str, tmp_path: Path) -> None:
        """A database of revision 0001, filled as that version did, is upgraded and answers the next text."""
        with LocalHub(database_url, tmp_path) as local:
            local.converse("before")
            with local.hub.store.engine.begin() as connection:
                config = schema._alembic_config()
                config.attributes["connection"] = connection
                command.downgrade(config, "0001")
            assert schema.current(local.hub.store) == "0001"
            assert schema.upgrade(database_url) == schema.HEAD
            local.hub.store.engine.dispose()
            local.converse("after")
            assert local.script.sessions[0] == local.script.sessions[1]
            assert local.provider.texts == ["echo before", "echo after"]

    def test_an_empty_and_an_older_database_are_refused_with_the_command_to_run(self, database_url: str) -> None:
        store = Store(database_url)
        with pytest.raises(SchemaOutdated, match=r"empty.*hub db upgrade"):
            schema.require_current(store)
        schema.upgrade(database_url)
        store.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0000'")))
        with pytest.raises(SchemaOutdated, match=r"0000.*hub db upgrade"):
            schema.require_current(store)
        store.close()

    def test_a_database_that_cannot_be_reached_is_a_wrong_setting(self) -> None:
        url = "postgresql+psycopg://user:hunter2@127.0.0.1:1/x"
        with pytest.raises(ConfigError, match=r"^HUB_DATABASE_URL: ") as caught:
            schema.upgrade(url)
        assert "hunter2" not in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_every_row_that_refers_to_another_is_held_to_it(self, store: Store) -> None:
        tables = inspect(store.engine)
        references = {
            (table, key["constrained_columns"][0])
            for table in tables.get_table_names()
            for key in tables.get_foreign_keys(table)
        }
        assert {("message", "lane_id"), ("message", "integration_id"), ("lane", "assistant_id")} <= references
