"""The plugin in a running hub, with the simulated provider and the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub_simulator.messages import Message
from hub_simulator.testing import RunningSimulator

from hub.testing import RunningHub

NUMBER, PERSON = "+15550000001", "+15550000002"


@dataclass
class Site:
    hub: RunningHub
    twilio: RunningSimulator

    def text(self, body: str) -> str:
        """The answer to a text."""
        before = len(self.twilio.messages(to=PERSON))
        self.twilio.text(PERSON, body=body)

        def answers(found: list[Message]) -> list[Message]:
            return [each for each in found if each.to == PERSON][before:]

        (answer,) = self.twilio.wait_for(answers, 30)
        return answer.body


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    environment = {"HUB_PLUGINS": "twilio,http_assistant"}
    with RunningSimulator(numbers=(NUMBER,)) as twilio, RunningHub(tmp_path, environment) as hub:

        def make(**settings: Any) -> Site:
            integration = {
                "channel": "sms_twilio",
                "assistant": "test",
                "settings": {
                    "account_sid": twilio.account_sid,
                    "auth_tokens": [twilio.auth_token],
                    "phone_numbers": [NUMBER],
                    "base_url": twilio.url,
                    "failure_message": "F!",
                },
            }
            assistant = {"plugin": "http_assistant", "settings": settings}
            hub.apply({"assistant": {"test": assistant}, "integration": {"test-sms": integration}})
            twilio.configure(message_url=f"{hub.url}/webhooks/test-sms/message")
            return Site(hub, twilio)

        yield make


@pytest.mark.parametrize("stateless", [True, False])
def test_a_conversation_goes_on_after_a_kill(make_site: Callable[..., Site], bench: Any, stateless: bool) -> None:
    bench.double.keeps_context = not stateless
    bench.double.authorized = lambda call: call.header("x-key") == "key-0123456789"
    site = make_site(
        url=bench.double.url, stateless=stateless, auth={"type": "api_key", "name": "X-Key", "key": "key-0123456789"}
    )
    assert site.text("hello") == "turn 1: hello"
    assert site.text("again") == "turn 2: again"
    site.hub.kill()
    site.hub.start()
    assert site.text("still there?") == "turn 3: still there?"
    contexts = [call.body["context"] for call in bench.double.messages]
    assert [context.get("turns") for context in contexts] == ([None, 1, 2] if stateless else [None] * 3)
    assert len(bench.double.sessions) == 1
    assert contexts[2]["global"]["session_id"] in bench.double.sessions
    assert "key-0123456789" not in site.hub.log


def test_one_failure_is_mended_and_a_second_is_owned_up_to(make_site: Callable[..., Site], bench: Any) -> None:
    site = make_site(url=bench.double.url)
    bench.double.faults.append(lambda handler: handler.reply(503, {"error": "busy"}))
    assert site.text("hello") == "turn 1: hello"
    bench.double.faults.extend([lambda handler: handler.reply(500, {"error": "broken"})] * 2)
    assert site.text("again") == "F!"
    (failed,) = site.hub.events("turn_failed")
    assert failed["reason"] == f"the assistant at {bench.double.root} answered 500: broken"
    bench.double.faults.append(lambda handler: handler.reply(400, {"error": "no"}))
    assert site.text("third") == "F!"
    assert len(bench.double.messages) == 5
    assert site.text("fourth") == "turn 2: fourth"


def test_doctor_calls_it(make_site: Callable[..., Site], bench: Any) -> None:
    site = make_site(url=bench.double.url)
    assert "can be reached (204 to OPTIONS)" in site.hub.command("doctor", "--call").stdout
    assert [call.method for call in bench.double.calls] == ["OPTIONS"]
