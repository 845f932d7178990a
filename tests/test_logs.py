"""Events for ``logged`` hooks: durable, retried, beside the conversation, and without private data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from hooking import Install
from inprocess import LocalHub, answer
from structlog.testing import capture_logs

from hub import LogEvent, LogFailed
from hub.logs import AT_ONCE, PAUSES, UNUSABLE_SECONDS
from hub.privacy import without_private
from hub.store import models
from hub.testing import wait_until

LOGGING = """
SEEN = []
FAULTS = []
GATES = []

@hookimpl
def logged(event):
    SEEN.append(event)
    if GATES:
        GATES[0].wait(30)
    if FAULTS:
        raise FAULTS.pop(0)
"""


class Log:
    """What the plugin has been offered, and what it will do next."""

    def __init__(self, module: Any) -> None:
        self.seen: list[LogEvent] = module.SEEN
        self.faults: list[BaseException] = module.FAULTS
        self.gates: list[threading.Event] = module.GATES

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.seen) >= count, what=f"{count} log events")


@pytest.fixture
def point(install: Install) -> EntryPoint:
    return install("logging", LOGGING)


@pytest.fixture
def log(point: EntryPoint) -> Iterator[Log]:
    log = Log(point.load())
    yield log
    for gate in log.gates:
        gate.set()


MakeLocal = Callable[..., LocalHub]


@pytest.fixture
def make_local(tmp_path: Path, database_url: str, point: EntryPoint) -> Iterator[MakeLocal]:
    hubs: list[LocalHub] = []

    def make(**environment: str) -> LocalHub:
        of = hubs[0] if hubs else None
        environment = {"HUB_SWEEP_SECONDS": "1", **environment}
        hubs.append(LocalHub(database_url, tmp_path, plugins=[point], environment=environment, of=of))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.__exit__(None, None, None)


def waiting(local: LocalHub) -> list[Any]:
    return local.rows(models.LogEvent)


class TestDelivery:
    def test_every_answered_turn_is_logged_once(self, make_local: MakeLocal, log: Log) -> None:
        local = make_local()
        local.hub.logs.start()
        local.converse("one", "two")
        log.wait(2)
        assert sorted(event.payload["request"]["input"]["text"] for event in log.seen) == ["one", "two"]
        assert {(event.name, event.assistant, event.attempt) for event in log.seen} == {("message_logged", "bot", 1)}
        wait_until(lambda: waiting(local) == [], what="the empty queue")

    def test_a_failed_turn_is_not(self, make_local: MakeLocal, log: Log) -> None:
        local = make_local()
        local.script.reply = lambda _text, _turn: RuntimeError("no")
        local.converse("one")
        assert waiting(local) == []

    def test_answers_do_not_wait_for_a_log_that_hangs(self, make_local: MakeLocal, log: Log) -> None:
        local = make_local()
        log.gates.append(threading.Event())
        local.hub.logs.start()
        local.converse(*[f"text {number}" for number in range(5)])
        assert len(local.provider.texts) == 5
        log.wait(AT_ONCE)
        assert len(log.seen) == AT_ONCE
        log.gates[0].set()
        log.wait(5)

    def test_it_survives_a_restart(self, make_local: MakeLocal, log: Log) -> None:
        first = make_local()
        first.converse("one")  # its logs were never started
        assert len(waiting(first)) == 1
        second = make_local()
        second.hub.logs.start()
        log.wait(1)
        wait_until(lambda: waiting(second) == [], what="the empty queue")

    def test_two_processes_offer_it_once(self, make_local: MakeLocal, log: Log) -> None:
        first, second = make_local(), make_local()
        first.hub.logs.start()
        second.hub.logs.start()
        first.converse(*[f"text {number}" for number in range(10)])
        wait_until(lambda: waiting(first) == [], what="the empty queue")
        assert len(log.seen) == len({event.id for event in log.seen}) == 10


class TestFaults:
    def test_a_database_that_is_away_for_a_moment_does_not_stop_the_events(
        self, make_local: MakeLocal, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local = make_local()
        claim, faults = local.hub.logs._claim, [OSError("away")] * (AT_ONCE + 1)

        def failing(row: Any) -> Any:
            if faults:
                raise faults.pop()
            return claim(row)

        monkeypatch.setattr(local.hub.logs, "_claim", failing)
        local.hub.logs.start()
        local.converse("one")
        log.wait(1)
        assert faults == []

    def test_events_wait_for_an_assistant_that_cannot_be_used_for_a_moment(
        self, make_local: MakeLocal, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local = make_local()
        local.converse("one")
        monkeypatch.setattr(local.hub.logs._hooks, "of", lambda *_: [])
        broken = replace(local.bound().assistant, error="the plugin is gone")
        monkeypatch.setattr(local.hub.directory, "assistant_by_id", lambda _id: broken)
        (row,) = waiting(local)
        assert local.hub.logs._attempt(row, row.payload) == UNUSABLE_SECONDS


class TestRetries:
    def test_a_failure_that_may_pass_is_tried_again_with_the_same_id(
        self, make_local: MakeLocal, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub.logs.PAUSES", (0.05, 0.05, 0.05))
        log.faults.extend([LogFailed("503", retryable=True), LogFailed("503", retryable=True)])
        local = make_local()
        local.hub.logs.start()
        local.converse("one")
        wait_until(lambda: waiting(local) == [], what="the empty queue")
        assert [event.attempt for event in log.seen] == [1, 2, 3]
        assert len({event.id for event in log.seen}) == 1

    def test_the_pauses_are_those_of_the_contract(self) -> None:
        assert PAUSES == (1.0, 5.0, 25.0)

    @pytest.mark.parametrize(
        ("faults", "attempts"),
        [
            ([LogFailed("503", retryable=True)] * 9, 4),
            ([LogFailed("400", retryable=False)], 1),
            ([RuntimeError("a bug")], 1),
            ([SystemExit(1)], 1),
        ],
    )
    def test_what_will_not_pass_is_dropped_with_a_line(
        self, make_local: MakeLocal, log: Log, monkeypatch: pytest.MonkeyPatch, faults: list[Any], attempts: int
    ) -> None:
        monkeypatch.setattr("hub.logs.PAUSES", (0.02, 0.02, 0.02))
        log.faults.extend(faults)
        local = make_local()
        with capture_logs() as lines:
            local.hub.logs.start()
            local.converse("one")
            wait_until(lambda: waiting(local) == [], what="the empty queue")
        assert len(log.seen) == attempts
        assert [line["attempts"] for line in lines if line["event"] == "log_event_dropped"] == [attempts]

    def test_one_that_died_with_its_worker_is_offered_again_when_its_time_has_come(
        self, make_local: MakeLocal, log: Log
    ) -> None:
        local = make_local()
        local.converse("one")
        (row,) = waiting(local)
        assert local.hub.logs._claim(row)  # and then nothing more is heard of that worker
        assert not local.hub.logs._claim(row)
        (claimed,) = waiting(local)
        assert (claimed.due_at - row.due_at).total_seconds() > local.hub.config.hook_seconds
        with local.hub.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE log_event SET due_at = '2000-01-01 00:00:00.000000'")
        local.hub.logs.start()
        log.wait(1)
        assert log.seen[0].attempt == 2


class TestPayload:
    def test_case_124_private_variables_are_left_out(self, make_local: MakeLocal, log: Log) -> None:
        local = make_local()
        context = {
            "private": {"a": "secret"},
            "integrations": {"chat": {"private": {"jwt": "secret"}, "$private": 1, "open": 1}},
            "skills": {
                "main skill": {"user_defined": {"private": "secret", "$private": "secret", "open": 2}},
                "actions skill": {"private_skill_variables": {"x": "secret"}, "skill_variables": {"open": 3}},
            },
        }
        local.script.reply = lambda text, _turn: answer(text, context=context)
        local.hub.logs.start()
        local.converse("one")
        log.wait(1)
        payload = log.seen[0].payload
        assert "secret" not in str(payload)
        assert "+15550000002" not in str(payload["request"]["context"]["integrations"])
        assert payload["response"]["context"] == {
            "integrations": {"chat": {"open": 1}},
            "skills": {
                "main skill": {"user_defined": {"open": 2}},
                "actions skill": {"skill_variables": {"open": 3}},
            },
        }
        assert payload["request"]["input"]["text"] == payload["response"]["output"]["generic"][0]["text"] == "one"
        assert payload["request_timestamp"] <= payload["response_timestamp"]

    def test_what_the_assistant_masked_is_logged_masked(self, make_local: MakeLocal, log: Log) -> None:
        local = make_local()

        def reply(text: str, _turn: Any) -> Any:
            said = answer(f"your card {text}")
            said.response["masked_input"] = {"text": "****"}
            said.response["masked_output"] = {"generic": []}
            return said

        local.script.reply = reply
        local.hub.logs.start()
        local.converse("4111")
        log.wait(1)
        assert "4111" not in str(log.seen[0].payload)

    @pytest.mark.parametrize("odd", [{}, {"integrations": 7, "skills": [1]}, {"skills": {"x": 7}}])
    def test_odd_contexts_are_taken_as_they_are(self, odd: dict[str, Any]) -> None:
        assert without_private(odd) == odd
