"""Kill drills: gunicorn is killed with ``kill -9`` in each stage; every person gets every answer once, in order."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import MakeWorld, World
from doubles import ScriptedAssistant, texts

from hub.testing import wait_until

pytestmark = pytest.mark.drill

PEOPLE = [f"+1555100{number:04}" for number in range(20)]
LEASES = {"HUB_LEASE_SECONDS": "2", "HUB_SWEEP_SECONDS": "1"}


def text_everybody(world: World, body: str = "hello") -> None:
    """One text of every person, at once; each webhook must be answered 200."""
    with ThreadPoolExecutor(10) as pool:
        for message in pool.map(lambda person: world.twilio.text(person, body=f"{body} {person}"), PEOPLE):
            assert [attempt.status for attempt in message.attempts] == [200]


def settled(world: World, expected: int) -> None:
    """Until Twilio has accepted `expected` messages and the hub has nothing left to do."""
    world.wait_for_answers(expected, 60)
    wait_until(lambda: world.hub.command("lanes", "--json").stdout == "", 60, "an idle hub")


def assert_everybody_answered_once(world: World, *bodies: str) -> None:
    for person in PEOPLE:
        assert world.answers(person) == [body.format(person=person) for body in bodies], person


def misbehaved(world: World) -> int:
    """How often Twilio has misbehaved as told."""
    return sum(world.twilio.simulator.behaviour._used.values())


@pytest.fixture
def world(make_world: MakeWorld, database_url: str) -> World:
    # One message for each text: the drills kill between them.
    settings = {"combine_messages": False}
    return make_world(environment={**LEASES, "HUB_DATABASE_URL": database_url}, settings=settings)


def test_killed_after_the_webhook_was_answered(world: World) -> None:
    world.hub.kill()
    world.hub.start({"HUB_TURN_THREADS": "0"})
    text_everybody(world)
    world.hub.kill()
    assert world.assistant.requests == []
    world.hub.start({"HUB_TURN_THREADS": "16"})
    settled(world, len(PEOPLE))
    assert_everybody_answered_once(world, "echo hello {person}")


def test_killed_while_the_assistant_answers(world: World) -> None:
    world.assistant.gate.clear()
    text_everybody(world)
    world.assistant.wait_for(lambda double: double.in_progress == len(PEOPLE))
    world.hub.kill()
    world.assistant.gate.set()
    world.hub.start()
    settled(world, len(PEOPLE))
    assert_everybody_answered_once(world, "echo hello {person}")


def test_killed_after_the_answer_was_stored(make_world: MakeWorld, database_url: str) -> None:
    with ScriptedAssistant(lambda request: texts("the hook may go on")) as gate:
        gate.gate.clear()
        world = make_world(
            plugins="twilio,scripted,hooked",
            environment={**LEASES, "HUB_DATABASE_URL": database_url, "HOOKED_GATE": gate.url},
        )
        text_everybody(world)
        gate.wait_for(lambda double: double.in_progress == len(PEOPLE))
        world.hub.kill()
        asked = len(world.assistant.requests)
        gate.gate.set()
        world.hub.start()
        settled(world, len(PEOPLE))
        assert_everybody_answered_once(world, "echo hello {person}")
        assert asked == len(world.assistant.requests) == len(PEOPLE)


@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "not accepted"])
def test_killed_before_the_send_was_noted(world: World, accepted: bool) -> None:
    world.twilio.behave(rules=[{"do": "hang", "seconds": 30, "accept": accepted, "times": len(PEOPLE)}])
    text_everybody(world)
    wait_until(lambda: misbehaved(world) == len(PEOPLE), 30, "every send at Twilio")
    world.hub.kill()
    world.twilio.behave()
    asked = len(world.assistant.requests)
    world.hub.start()
    settled(world, len(PEOPLE))
    assert_everybody_answered_once(world, "echo hello {person}")
    assert asked == len(world.assistant.requests)


@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "not accepted"])
def test_killed_in_the_middle_of_a_three_part_answer(world: World, accepted: bool) -> None:
    world.assistant.script = lambda request: texts("part 1", "part 2", "part 3")
    world.twilio.behave(
        rules=[
            {
                "do": "hang",
                "seconds": 30,
                "accept": accepted,
                "times": len(PEOPLE),
                "match": {"body_contains": "part 2"},
            }
        ]
    )
    text_everybody(world)
    wait_until(lambda: misbehaved(world) == len(PEOPLE), 30, "every second part at Twilio")
    world.hub.kill()
    world.twilio.behave()
    world.hub.start()
    settled(world, 3 * len(PEOPLE))
    assert_everybody_answered_once(world, "part 1", "part 2", "part 3")


def test_one_of_two_workers_killed(make_world: MakeWorld, database_url: str) -> None:
    world = make_world(workers=2, environment={**LEASES, "HUB_DATABASE_URL": database_url})
    world.assistant.gate.clear()
    text_everybody(world)
    world.assistant.wait_for(lambda double: double.in_progress == len(PEOPLE))
    world.hub.kill_worker()
    world.assistant.gate.set()
    settled(world, len(PEOPLE))
    assert_everybody_answered_once(world, "echo hello {person}")


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"do": "status", "status": 429, "code": 20429}, id="429"),
        pytest.param({"do": "status", "status": 500, "code": 20500, "accept": True}, id="500 accepted"),
        pytest.param({"do": "status", "status": 500, "code": 20500, "accept": False}, id="500 not accepted"),
        pytest.param({"do": "hang", "seconds": 17, "accept": True}, id="silence, accepted"),
        pytest.param({"do": "reset", "accept": True}, id="reset, accepted"),
        pytest.param({"do": "reset", "accept": False}, id="reset, not accepted"),
    ],
)
def test_provider_trouble(world: World, rule: dict[str, object]) -> None:
    world.twilio.behave(rules=[{**rule, "times": len(PEOPLE)}])
    text_everybody(world)
    settled(world, len(PEOPLE))
    assert_everybody_answered_once(world, "echo hello {person}")


def test_two_hundred_people_ten_texts_each_delivered_twice_to_two_workers(
    make_world: MakeWorld, database_url: str
) -> None:
    people = [f"+1555200{number:04}" for number in range(200)]
    world = make_world(workers=2, environment={**LEASES, "HUB_DATABASE_URL": database_url, "HUB_TURN_THREADS": "16"})

    def converse(person: str) -> None:
        for number in range(10):
            sid = f"SM{uuid.uuid4().hex}"
            with ThreadPoolExecutor(2) as twice:
                copies = [twice.submit(world.twilio.text, person, body=f"text {number}", sid=sid) for _ in range(2)]
                assert {copy.result().sid for copy in copies} == {sid}

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(converse, people))
    settled(world, 2000)
    expected = [f"echo text {number}" for number in range(10)]
    assert {person: world.answers(person) for person in people} == dict.fromkeys(people, expected)
    assert len(world.assistant.requests) == 2000


def test_a_stop_gives_back_what_is_in_progress(world: World) -> None:
    world.assistant.gate.clear()
    text_everybody(world)
    world.assistant.wait_for(lambda double: double.in_progress == len(PEOPLE))
    assert world.hub.stop() == 0
    world.assistant.gate.set()
    # The leases were given back, so a new worker need not wait for them to expire.
    world.hub.start({"HUB_LEASE_SECONDS": "600"})
    settled(world, len(PEOPLE))
    assert_everybody_answered_once(world, "echo hello {person}")
