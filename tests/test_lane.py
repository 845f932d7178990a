"""Lanes: one worker at a time, whoever dies, sleeps or loses its lease; sessions and the engine's wake-ups."""

from __future__ import annotations

import threading
import time as real_time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from inprocess import PERSON, LocalHub, Time, answer
from structlog.testing import capture_logs

from hub import AssistantFailed, SendFailed, Sent
from hub.errors import LeaseLost
from hub.lane import Held, waiting
from hub.request import INPUTS
from hub.store.models import Lane, Session, Turn
from hub.testing import wait_until

LEASE = 30
OTHER_PERSON = "+15550000003"


@pytest.fixture
def local(database_url: str, tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(database_url, tmp_path) as hub:
        yield hub


@pytest.fixture
def other(local: LocalHub) -> Iterator[LocalHub]:
    with local.other() as hub:
        yield hub


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def lane_of(local: LocalHub, person: str = PERSON) -> UUID:
    return local.rows(Lane, Lane.person == person)[0].id


def take(hub: LocalHub, lane: UUID) -> Held | None:
    return hub.hub.store.write(lambda connection: hub.hub.leases.take(connection, lane))


def hold(hub: LocalHub, lane: UUID) -> Held:
    return hub.hub.store.write(lambda connection: hub.hub.leases.hold(connection, lane))


class TestLease:
    def test_one_of_many_workers_gets_it(self, local: LocalHub) -> None:
        local.text()
        lane = lane_of(local)
        start = threading.Barrier(4)

        def try_it(hub: LocalHub) -> Held | None:
            start.wait(20)
            return take(hub, lane)

        others = [local.other() for _ in range(3)]
        try:
            with ThreadPoolExecutor(4) as pool:
                got = list(pool.map(try_it, [local, *others]))
            assert sum(held is not None for held in got) == 1
        finally:
            for hub in others:
                hub.__exit__(None, None, None)

    def test_it_is_taken_over_once_it_has_expired_and_not_before(
        self, local: LocalHub, other: LocalHub, time: Time
    ) -> None:
        local.text()
        lane = lane_of(local)
        assert take(local, lane)
        time.passes(LEASE - 1)
        assert take(other, lane) is None
        time.passes(2)
        assert take(other, lane)

    def test_renewing_keeps_it_however_long_the_work_takes(self, local: LocalHub, other: LocalHub, time: Time) -> None:
        local.text()
        lane = lane_of(local)
        assert take(local, lane)
        for _ in range(5):
            time.passes(LEASE * 0.8)
            local.hub.leases.renew()
            assert take(other, lane) is None

    def test_renewing_does_not_win_back_one_that_was_lost(self, local: LocalHub, other: LocalHub, time: Time) -> None:
        local.text()
        lane = lane_of(local)
        assert take(local, lane)
        time.passes(LEASE + 1)
        assert take(other, lane)
        local.hub.leases.renew()
        assert not local.hub.leases.fresh(lane)
        assert hold(other, lane)

    def test_whoever_lost_it_cannot_commit(self, local: LocalHub, other: LocalHub, time: Time) -> None:
        local.text()
        lane = lane_of(local)
        assert take(local, lane)
        time.passes(LEASE + 1)
        assert take(other, lane)
        with pytest.raises(LeaseLost):
            hold(local, lane)

    def test_the_engine_renews_while_the_assistant_thinks(self, database_url: str, tmp_path: Path) -> None:
        with LocalHub(database_url, tmp_path, environment={"HUB_LEASE_SECONDS": "1"}) as local:
            local.script.gate.clear()
            local.hub.engine.start()
            local.text()
            local.hub.engine.wake(lane_of(local))
            wait_until(lambda: local.script.in_progress)
            first = local.rows(Lane)[0].due_at
            wait_until(lambda: local.rows(Lane)[0].due_at > first + timedelta(seconds=1))
            with local.other() as other:
                other.hub.drain.drain(lane_of(local))
            local.script.gate.set()
            wait_until(lambda: local.provider.texts == ["echo hello"])
            assert local.script.inputs == ["hello"]

    def test_giving_back_lets_another_worker_go_on_at_once(self, local: LocalHub, other: LocalHub) -> None:
        local.text()
        lane = lane_of(local)
        assert take(local, lane)
        assert local.hub.leases.give_back() == 1
        assert other.due() == [lane]
        assert take(other, lane)
        with pytest.raises(LeaseLost):
            hold(local, lane)


class TestFencing:
    def test_an_answer_that_comes_after_the_lease_was_lost_is_not_kept(
        self, local: LocalHub, other: LocalHub, time: Time
    ) -> None:
        def slow(_text: str, _turn: Any) -> str:
            time.passes(LEASE + 1)
            assert take(other, lane_of(local))
            return "too late"

        local.script.reply = slow
        local.text()
        with capture_logs() as logs:
            local.drain()
        assert [line["event"] for line in logs] == ["lease_lost"]
        assert local.sent() == []
        assert [row.state for row in local.rows(Turn)] == ["begun"]
        local.script.reply = lambda text, turn: "in time"
        other.hub.drain.drain(lane_of(local))
        assert local.provider.texts == ["in time"]
        assert len(local.rows(Turn)) == 1

    def test_after_losing_the_lease_nothing_more_is_sent(self, local: LocalHub, other: LocalHub, time: Time) -> None:
        def first_part(message: Any) -> None:
            time.passes(LEASE + 1)
            assert take(other, lane_of(local))

        local.script.reply = lambda text, turn: ("one", "two")
        local.provider.plan.append(first_part)
        local.text()
        local.drain()
        assert local.provider.texts == ["one"]
        assert local.statuses() == ["sending", "pending"]
        local.provider.listing = Sent("P-one")
        other.hub.drain.drain(lane_of(local))
        assert local.provider.texts == ["one", "two"]
        assert local.sent()[0].provider_id == "P-one"

    def test_a_worker_that_was_paused_before_sending_asks_for_its_lease_first(
        self, local: LocalHub, other: LocalHub, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused = SimpleNamespace(seconds=0.0)
        monkeypatch.setattr("hub.lane.time", SimpleNamespace(monotonic=lambda: real_time.monotonic() + paused.seconds))
        write = local.hub.store.write

        def write_and_pause(job: Any) -> Any:
            result = write(job)
            if local.statuses() == ["sending"] and not paused.seconds:
                paused.seconds = LEASE + 1
                time.passes(LEASE + 1)
                other.hub.drain.drain(lane_of(local))
            return result

        monkeypatch.setattr(local.hub.store, "write", write_and_pause)
        local.text()
        with capture_logs() as logs:
            local.drain()
        assert paused.seconds
        assert local.provider.texts == ["echo hello"]
        assert "lease_lost" in [line["event"] for line in logs]


class TestSweep:
    def test_it_finds_a_text_whose_wake_up_was_lost(self, local: LocalHub, other: LocalHub) -> None:
        local.text()
        assert other.due() == [lane_of(local)]
        other.hub.engine.start()
        wait_until(lambda: local.provider.texts == ["echo hello"])
        wait_until(lambda: local.due() == [])

    def test_it_finds_what_a_dead_worker_left_once_its_lease_expires(
        self, local: LocalHub, other: LocalHub, time: Time
    ) -> None:
        local.text()
        lane = lane_of(local)
        local.script.reply = lambda text, turn: KeyboardInterrupt("killed")
        with pytest.raises(KeyboardInterrupt):
            local.drain()
        local.script.reply = lambda text, turn: f"echo {text}"
        assert other.due() == []
        time.passes(LEASE + 1)
        assert other.due() == [lane]
        other.drain()
        assert local.provider.texts == ["echo hello"]

    def test_it_finds_a_message_whose_next_attempt_is_due(self, local: LocalHub, other: LocalHub, time: Time) -> None:
        local.provider.plan.append(SendFailed("429", "slower", retryable=True))
        local.converse("hello")
        assert other.due() == []
        time.passes(2)
        other.drain()
        assert local.provider.texts == ["echo hello"]
        assert other.due() == []

    def test_lanes_whose_next_attempt_is_not_due_yet_do_not_crowd_out_others(self, local: LocalHub, time: Time) -> None:
        for person in ("+15550000011", "+15550000012", "+15550000013"):
            local.provider.plan.append(SendFailed("429", "slower", retryable=True, retry_after=600))
            local.converse("hello", person=person)
            local.text("and?", person)
        local.text("hello", OTHER_PERSON)
        assert local.due() == [lane_of(local, OTHER_PERSON)]

    def test_a_lane_that_failed_unforeseen_is_left_alone_for_a_lease(self, local: LocalHub, time: Time) -> None:
        def broken(_text: str) -> str:
            raise RuntimeError("on purpose")

        local.provider.prepare = broken
        local.text()
        with capture_logs() as logs:
            local.drain()
        assert [line["event"] for line in logs] == ["lane_failed"]
        assert local.due() == []
        time.passes(LEASE + 1)
        local.provider.prepare = str
        local.drain()
        assert local.provider.texts == ["echo hello"]

    def test_a_turn_that_fails_unforeseen_again_and_again_ends_with_the_failure_message(
        self, local: LocalHub, time: Time
    ) -> None:
        local.configure(failure_message="F!")
        broken = threading.Event()

        def once_more(text: str) -> str:
            broken.set()
            raise RuntimeError("on purpose")

        local.provider.prepare = once_more
        local.text()
        for _ in range(8):
            local.drain()
            time.passes(LEASE + 1)
        assert broken.is_set()
        assert local.provider.texts == ["F!"]
        assert local.due() == []

    def test_the_metrics_see_what_waits_and_since_when(self, local: LocalHub, time: Time) -> None:
        with local.hub.store.read() as connection:
            assert waiting(connection) == (0, 0.0)
        local.text()
        local.text("more")
        time.passes(10)
        with local.hub.store.read() as connection:
            assert waiting(connection) == (1, pytest.approx(10, abs=0.1))


class TestOrder:
    def test_texts_are_answered_in_the_order_they_came_through_any_process(
        self, local: LocalHub, other: LocalHub
    ) -> None:
        bodies = [f"text {number}" for number in range(6)]
        for number, body in enumerate(bodies):
            (other if number % 2 else local).text(body)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(LocalHub.drain, [local, other]))
        local.drain()
        assert local.script.inputs == bodies
        assert local.provider.texts == [f"echo {body}" for body in bodies]
        assert local.script.most_in_progress == 1

    def test_a_text_that_comes_during_a_turn_is_answered_after_it_without_a_sweep(self, local: LocalHub) -> None:
        local.hub.engine.start()
        local.script.gate.clear()
        local.text("one")
        local.hub.engine.wake(lane_of(local))
        wait_until(lambda: local.script.in_progress)
        local.text("two")
        local.hub.engine.wake(lane_of(local))
        local.script.gate.set()
        wait_until(lambda: local.provider.texts == ["echo one", "echo two"])

    def test_lanes_woken_together_are_worked_on_together_even_after_a_quiet_time(self, local: LocalHub) -> None:
        engine = local.hub.engine
        local.text("warm up")
        engine.wake(lane_of(local))
        wait_until(lambda: local.provider.texts and not engine.in_progress)
        local.script.gate.clear()
        people = [f"+155500001{number:02}" for number in range(8)]
        for person in people:
            local.text("hello", person)
        lanes = [lane_of(local, person) for person in people]
        for lane in lanes:
            engine.wake(lane)
        wait_until(lambda: local.script.in_progress == len(people), 5, "all turns at once")

    def test_stopping_gives_back_what_is_in_progress(self, local: LocalHub, other: LocalHub) -> None:
        local.script.gate.clear()
        local.text()
        local.hub.engine.start()
        wait_until(lambda: local.script.in_progress)
        local.hub.engine.stop(0.05)
        assert not local.hub.engine.running
        assert other.due() == [lane_of(local)]
        local.script.gate.set()
        other.drain()
        wait_until(lambda: not local.hub.engine.in_progress)
        assert local.provider.texts == ["echo hello"]

    def test_integrations_on_one_line_share_the_session(self, local: LocalHub) -> None:
        local.configure(line="main")
        local.configure("sms-b", line="main")
        local.text("one")
        local.drain()
        local.text("two", via="sms-b", recipient="+15550000009")
        local.drain()
        assert len(local.rows(Lane)) == 1
        assert len(set(local.script.sessions)) == 1
        assert [row.sender for row in local.sent()] == ["+15550000001", "+15550000009"]


class TestSession:
    def test_it_goes_on_within_the_idle_time_and_carries_the_context(self, local: LocalHub, time: Time) -> None:
        seen = []

        def counting(text: str, turn: Any) -> Any:
            seen.append((turn.session.turn_count, dict(turn.session.context)))
            return answer("ok", context={"said": text})

        local.script.reply = counting
        local.converse("one")
        time.passes(3599)
        local.converse("two")
        assert seen == [(0, {}), (1, {"said": "one"})]
        assert len(set(local.script.sessions)) == 1

    def test_after_the_idle_time_a_new_one_begins_and_the_context_is_gone(self, local: LocalHub, time: Time) -> None:
        seen = []

        def remembering(text: str, turn: Any) -> Any:
            seen.append((turn.session.turn_count, dict(turn.session.context), turn.session.assistant_session_id))
            return answer("ok", context={"said": text})

        local.script.reply = remembering
        local.configure(session_timeout=60)
        local.converse("one")
        time.passes(61)
        local.converse("two")
        assert seen == [(0, {}, None), (0, {}, None)]
        old, new = local.rows(Session)
        assert (old.state, new.state) == ("ended", "bot")

    def test_the_assistant_is_told_of_a_time_out_once_and_says_farewell_in_the_old_session(
        self, local: LocalHub, time: Time
    ) -> None:
        local.configure(session_timeout=60, notify_on_session_timeout=True)
        local.converse("hello")
        time.passes(59)
        assert local.due() == []
        time.passes(2)
        local.drain()
        assert local.script.inputs == ["hello", INPUTS["timeout"]]
        assert len(set(local.script.sessions)) == 1
        assert local.provider.texts == ["echo hello", f"echo {INPUTS['timeout']}"]
        time.passes(1000)
        assert local.due() == []
        local.converse("back")
        assert len(local.rows(Session)) == 2

    def test_a_text_before_the_time_out_puts_it_off(self, local: LocalHub, time: Time) -> None:
        local.configure(session_timeout=60, notify_on_session_timeout=True)
        local.converse("hello")
        time.passes(40)
        local.converse("still here")
        time.passes(40)
        local.drain()
        assert INPUTS["timeout"] not in local.script.inputs
        time.passes(21)
        local.drain()
        assert local.script.inputs[-1] == INPUTS["timeout"]

    def test_a_farewell_that_fails_bothers_nobody(self, local: LocalHub, time: Time) -> None:
        local.configure(session_timeout=60, notify_on_session_timeout=True)
        local.converse("hello")
        local.script.reply = lambda text, turn: AssistantFailed("500", "broken", retryable=False)
        time.passes(61)
        local.drain()
        assert local.script.inputs[-1] == INPUTS["timeout"]
        assert local.provider.texts == ["echo hello"]
        assert [row.state for row in local.rows(Session)] == ["ended"]
