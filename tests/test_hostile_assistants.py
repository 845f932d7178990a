"""Assistants and hooks that misbehave: the person gets the failure message, or the answer, exactly once.

A hub under gunicorn, an assistant that answers by script, the plugin ``hooked`` of the tests, and a plugin ``vandal``
that is written here.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import TEST_PLUGINS, MakeWorld
from doubles import ScriptedAssistant, texts
from hub_simulator.testing import RunningSimulator
from signed import idle, query

from hub.testing import RunningHub

FAILURE = "F!"
TIMEOUT = 1.0
VANDAL = """
import sys
from hub import Answer, Assistant, AssistantType, Settings, hookimpl

class Vandal(Assistant):
    def answer(self, request, turn):
        text = request["input"]["text"]
        if text == "exits":
            sys.exit("on purpose")
        if text == "no answer object":
            return {"output": {"generic": []}}
        if text == "set":
            return Answer({"output": {"generic": []}, "context": {"seen": {1, 2}}})
        if text == "session number":
            return Answer({"output": {"generic": []}}, session_id=7)
        if text == "session surrogate":
            return Answer({"output": {"generic": [{"response_type": "text", "text": "ok"}]}}, session_id="\\ud800")
        return Answer({"output": {"generic": [{"response_type": "text", "text": "vandal: " + text}]}, "context": {}})

@hookimpl
def register_assistants():
    return [AssistantType(name="vandal", title="Vandal", assistant=Vandal, settings=Settings)]

@hookimpl
def premessage(turn, request):
    if request["input"]["text"] == "pre empties":
        return {}
    if request["input"]["text"] == "pre puts a set in":
        return {**request, "seen": {1, 2}}

@hookimpl
def postmessage(turn, response):
    generic = response["output"]["generic"]
    first = generic[0].get("text", "") if generic and isinstance(generic[0], dict) else ""
    if "post puts a set in" in first:
        return {**response, "seen": {1, 2}, "person": turn.person}
    if "post gives a number" in first:
        return {"output": 5}
    if "post spoils the context" in first:
        return {**response, "context": []}
"""


def deep(levels: int) -> bytes:
    """An answer whose context is nested so deep."""
    answer = json.dumps({**texts("deep"), "context": {"a": "NEST"}})
    return answer.replace('"NEST"', "[" * levels + "]" * levels).encode()


class Resetting:
    """An assistant that resets every connection once it has read the request."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.recv(65_536)
            self.asked += 1
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


@dataclass
class Site:
    """A hub with three assistants (scripted, resetting, vandal), a number of its own for each."""

    hub: RunningHub
    twilio: RunningSimulator
    assistant: ScriptedAssistant
    resetting: Resetting
    numbers: dict[str, str]
    answers: dict[str, Any] = field(default_factory=dict)
    people: int = 0

    def person(self) -> str:
        self.people += 1
        return f"+1555000{4000 + self.people}"

    def say(self, body: str, to: str = "scripted") -> list[str]:
        """A new person texts; returns what they got once the hub has nothing left to do."""
        person = self.person()
        message = self.twilio.text(person, self.numbers[to], body)
        assert [attempt.status for attempt in message.attempts] == [200]
        idle(self.hub)
        return [message.body for message in self.twilio.messages(to=person)]

    def asked(self, body: str) -> int:
        """How often the scripted assistant got this text."""
        return sum(request["input"]["text"] == body for request in self.assistant.requests)


def install_vandal(folder: Path) -> str:
    """Put the plugin into `folder`; returns the PYTHONPATH with which it is found."""
    information = folder / "hub_vandal-1.0.dist-info"
    information.mkdir()
    (folder / "hub_vandal.py").write_text(VANDAL)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: hub-vandal\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[hub.plugins]\nvandal = hub_vandal\n")
    return os.pathsep.join([str(folder), str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, plugins = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("plugins")
    environment = {"HUB_PLUGINS": "twilio,scripted,hooked,vandal", "PYTHONPATH": install_vandal(plugins)}
    numbers = {name: f"+1555000200{position}" for position, name in enumerate(("scripted", "resetting", "vandal"))}
    with ExitStack() as stack:
        twilio = stack.enter_context(RunningSimulator(numbers=tuple(numbers.values())))
        assistant = stack.enter_context(ScriptedAssistant())
        resetting = Resetting()
        stack.callback(resetting.close)
        hub = stack.enter_context(RunningHub(folder, environment))
        urls = {"scripted": assistant.url, "resetting": resetting.url}
        account = {"account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "base_url": twilio.url}
        common = {**account, "failure_message": FAILURE}
        hub.apply(
            {
                "assistant": {
                    "vandal": {"plugin": "vandal"},
                    **{
                        name: {"plugin": "scripted", "settings": {"url": url, "timeout": TIMEOUT}}
                        for name, url in urls.items()
                    },
                },
                "integration": {
                    name: {
                        "channel": "sms_twilio",
                        "assistant": name,
                        "settings": {**common, "phone_numbers": [number]},
                    }
                    for name, number in numbers.items()
                },
            }
        )
        for name, number in numbers.items():
            twilio.configure(f"{hub.url}/webhooks/{name}/message", number=number)
        site = Site(hub, twilio, assistant, resetting, numbers)
        assistant.script = lambda request: site.answers[request["input"]["text"]]
        yield site


@pytest.fixture(autouse=True)
def contained(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test with the shared hub: no lane had to be put aside because of an error nobody foresaw."""
    if "site" not in request.fixturenames:
        yield
        return
    site: Site = request.getfixturevalue("site")
    before = len(site.hub.events("lane_failed"))
    yield
    failed = site.hub.events("lane_failed")[before:]
    assert [event["exception"].strip().splitlines()[-1][:200] for event in failed] == []


UNUSABLE: dict[str, Any] = {
    "HTML": b"<html><body>Bad gateway</body></html>",
    "nothing": b"",
    "a list": [texts("one")],
    "a number": 5.5,
    "a text": "hello",
    "null": None,
    "no output": {"context": {}},
    "output is a number": {"output": 5},
    "generic is a text": {"output": {"generic": "hello"}},
    "generic holds a number": {"output": {"generic": [5]}},
    "context is a list": {"output": {"generic": []}, "context": []},
    "5 MB": texts("x" * 5_000_000),
    "half of it": json.dumps(texts("hello")).encode()[:-10],
    "a number of 5,000 digits": b'{"output": {"generic": []}, "context": {"n": ' + b"9" * 5000 + b"}}",
    "100,000 levels": deep(100_000),
    "status 500": 500,
    "status 404": 404,
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_answer_that_cannot_be_used_becomes_the_failure_message(site: Site, name: str) -> None:
    site.answers[name] = UNUSABLE[name]
    failed = len(site.hub.events("turn_failed"))
    assert site.say(name) == [FAILURE]
    (event,) = site.hub.events("turn_failed")[failed:]
    assert event["plugin"] == "scripted"
    assert 1 <= site.asked(name) <= 2


def test_status_500_is_asked_again_exactly_once(site: Site) -> None:
    site.answers["twice 500"] = 500
    assert site.say("twice 500") == [FAILURE]
    assert site.asked("twice 500") == 2


def test_an_assistant_that_resets_the_connection_is_asked_again_exactly_once(site: Site) -> None:
    assert site.say("hello", to="resetting") == [FAILURE]
    assert site.resetting.asked == 2


def test_an_assistant_that_never_answers_is_given_up_after_two_time_outs(site: Site) -> None:
    site.answers["never"] = texts("too late")
    site.assistant.gate.clear()
    try:
        assert site.say("never") == [FAILURE]
    finally:
        site.assistant.gate.set()
    assert site.asked("never") == 2


def test_an_exception_in_the_plugin_is_its_own_in_the_log(site: Site) -> None:
    before = len(site.hub.events("assistant_raised"))
    assert site.say("raise!") == [FAILURE]
    assert {event["plugin"] for event in site.hub.events("assistant_raised")[before:]} == {"scripted"}


def test_a_deeply_nested_context_is_taken_or_refused_at_once(site: Site) -> None:
    # The nearer to the parser's own limit, the later something notices: it is read, but cannot be copied or written.
    people = {f"{levels} levels": site.person() for levels in (100, 600, *range(955, 1000, 3))}
    for name, person in people.items():
        site.answers[name] = deep(int(name.split()[0]))
        site.twilio.text(person, site.numbers["scripted"], name)
    idle(site.hub)
    got = {name: [message.body for message in site.twilio.messages(to=person)] for name, person in people.items()}
    assert {tuple(bodies) for bodies in got.values()} <= {("deep",), (FAILURE,)}
    assert {name: site.asked(name) for name in people if site.asked(name) > 2} == {}


def test_json_that_a_database_does_not_take_does_no_harm(make_world: MakeWorld, database_url: str) -> None:
    world = make_world(environment={"HUB_DATABASE_URL": database_url})
    odd = b'{"a": NaN, "b": "\\u0000\\ud800"}'
    answer = b'{"output": {"generic": [{"response_type": "text", "text": "hi"}]}, "context": ' + odd + b"}"
    world.assistant.script = lambda request: answer
    world.twilio.text("+15550005001", body="hello")
    world.wait_for_answers(1)
    assert world.answers("+15550005001") in (["hi"], [FAILURE])
    assert world.hub.events("lane_failed") == []


def test_half_characters_and_nul_are_left_out_of_texts(site: Site) -> None:
    site.answers["halves"] = texts("a\ud800b\0c", "\udfff", "\0")
    assert site.say("halves") == ["a\ufffdbc\n\ufffd"]


def test_elements_nobody_knows_are_passed_over_and_what_can_be_read_is_shown(site: Site) -> None:
    odd = [{}, {"response_type": None}, {"response_type": ["text"]}, {"response_type": "text", "text": 5},
           {"response_type": "image", "source": 5}, {"response_type": "text", "text": "hi", "channels": [7]},
           {"response_type": "text", "text": "hello", "channels": "all"}]  # fmt: skip
    site.answers["odd"] = {"output": {"generic": odd}}
    assert site.say("odd") == ["5\nhello"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("10,000 elements", texts(*(f"element {number}" for number in range(10_000)))),
        ("1 MB", texts("word " * 200_000)),
    ],
)
def test_an_endless_answer_becomes_a_bounded_number_of_messages(site: Site, name: str, answer: Any) -> None:
    site.answers[name] = answer
    log, before = len(site.hub.log), query(site.hub, "SELECT count(*) FROM message")[0][0]
    got = site.say(name)
    assert 1 <= len(got) <= 30
    assert all(len(text) <= 1600 for text in got)
    kept = query(site.hub, "SELECT count(*) FROM message")[0][0] - before
    assert kept <= 1500, f"{kept} rows and {len(site.hub.log) - log} bytes of log for one answer"


# --- plugins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["no answer object", "session number", "set"])
def test_an_assistant_plugin_that_returns_nonsense_is_named(site: Site, body: str) -> None:
    before = len(site.hub.events("turn_failed"))
    assert site.say(body, to="vandal") == [FAILURE]
    assert [event["plugin"] for event in site.hub.events("turn_failed")[before:]] == ["vandal"]


def test_half_a_character_in_a_session_id_does_no_harm(site: Site) -> None:
    assert site.say("session surrogate", to="vandal") in (["ok"], [FAILURE])


@pytest.mark.parametrize(
    ("body", "hook"), [("pre raises", "premessage"), ("pre wrong type", "premessage"), ("post raises", "postmessage")]
)
def test_a_hook_that_fails_is_named_and_the_answer_stays(site: Site, body: str, hook: str) -> None:
    before = len(site.hub.events("hook_failed"))
    site.answers[body] = texts(f"answer to {body}")
    assert site.say(body) == [f"answer to {body}"]
    assert [(each["plugin"], each["hook"]) for each in site.hub.events("hook_failed")[before:]] == [("hooked", hook)]


def test_a_hook_that_works_is_obeyed(site: Site) -> None:
    site.answers["PRE SHOUTS"] = texts("post adds")
    assert site.say("pre shouts") == ["post adds\nadded by a hook"]


@pytest.mark.parametrize(
    ("body", "culprit"),
    [
        ("post breaks", "hooked"),
        ("post gives a number", "vandal"),
        ("post spoils the context", "vandal"),
        ("post puts a set in", "vandal"),
        ("pre empties", "vandal"),
        ("pre puts a set in", "vandal"),
    ],
)
def test_a_hook_that_breaks_the_message_is_named_as_the_culprit(site: Site, body: str, culprit: str) -> None:
    site.answers[body] = texts(f"answer to {body}")
    log = len(site.hub.log)
    person = f"+1555000{4000 + site.people + 1}"
    assert site.say(body) in ([FAILURE], [f"answer to {body}"])
    events = [json.loads(line) for line in site.hub.log[log:].splitlines() if line.startswith("{")]
    assert person not in site.hub.log[log:]
    blamed = {
        event["plugin"] for event in events if event["event"] in ("hook_failed", "turn_failed", "assistant_raised")
    }
    assert blamed == {culprit}


def test_a_plugin_that_tries_to_end_the_process_only_fails_its_turn(make_world: MakeWorld, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    world = make_world(
        plugins="twilio,vandal", assistant={"plugin": "vandal"}, environment={"PYTHONPATH": install_vandal(plugins)}
    )
    for count, body in enumerate(("hello", "exits", "hello again"), 1):
        world.twilio.text("+15550005002", body=body)
        world.wait_for_answers(count, 20)
    assert world.answers("+15550005002") == ["vandal: hello", FAILURE, "vandal: hello again"]


# --- slow assistants -------------------------------------------------------------------------------------------------


def test_fifty_webhooks_are_answered_while_every_turn_hangs(make_world: MakeWorld) -> None:
    threads = 8
    world = make_world(environment={"HUB_TURN_THREADS": str(threads)})
    world.assistant.gate.clear()
    people = [f"+1555000{6000 + number}" for number in range(50)]
    with ThreadPoolExecutor(10) as pool:
        for person, message in zip(
            people, pool.map(lambda each: world.twilio.text(each, body="hello"), people), strict=True
        ):
            assert [attempt.status for attempt in message.attempts] == [200], person
            assert world.twilio.messages(to=person) == []
    world.assistant.wait_for(lambda assistant: assistant.in_progress == threads)
    assert len(world.assistant.requests) == threads
    world.assistant.gate.set()
    world.wait_for_answers(50)
    assert [world.answers(person) for person in people] == [["echo hello"]] * 50
