"""Acceptance cases of the SMS channel with IBM watsonx Assistant, over HTTP from one end to the other.

A person texts at the simulated Twilio, which signs a webhook of a hub under gunicorn; the hub asks a stand-in of the
assistant service; the answer leaves through Twilio's API. Each test names its case. Case 12 (a text to a number with
which a call is going on) needs the phone channel and is not here.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import PERSON
from hub_simulator.messages import Message
from hub_simulator.testing import RunningSimulator
from signed import idle, query
from watson_service import Call, WatsonService, said

from hub.testing import RunningHub, wait_until

TENANT = "+15550000001"
USER = PERSON
USER_MD5 = "180a2483b5bddb75b78cca01b2a0ff67"
ENVIRONMENT = {"environment_id": "e-1"}
API_KEY = "key-for-tests-0123456789"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb004300") + bytes(64) + bytes.fromhex("ffd9")

# One assistant and one integration each, so that every test sees only the calls it caused.
ASSISTANTS: dict[str, dict[str, Any]] = {
    "first": {**ENVIRONMENT},
    "again": {**ENVIRONMENT},
    "numbers": {**ENVIRONMENT},
    "silent": {**ENVIRONMENT},
    "breaks": {**ENVIRONMENT},
    "stateless": {**ENVIRONMENT, "stateless": True},
    "older": {},
    "iam": {**ENVIRONMENT, "auth": "iam", "api_key": API_KEY},
    "long": {**ENVIRONMENT},
    "empty": {**ENVIRONMENT},
    "media": {**ENVIRONMENT},
}
NUMBERS = {name: (f"+1555000{1000 + position}",) for position, name in enumerate(ASSISTANTS)}
NUMBERS |= {"first": (TENANT,), "numbers": ("+15550002001", "+15550002002")}


@dataclass
class Site:
    """The running hub and both of its ends."""

    hub: RunningHub
    twilio: RunningSimulator
    service: WatsonService

    def text(self, name: str, body: str = "", person: str = USER, number: int = 0, **more: Any) -> Message:
        """`person` texts a number of the integration `name`; the webhook must be answered 200."""
        message = self.twilio.text(person, NUMBERS[name][number], body, **more)
        assert [attempt.status for attempt in message.attempts] == [200]
        return message

    def texts(self, name: str, *bodies: str, **more: Any) -> list[Call]:
        """One text after the other, each sent when the one before was answered; returns the calls of the service."""
        for body in bodies:
            answers = len(self.service.of(name, "message"))
            self.text(name, body, **more)
            wait_until(lambda before=answers: len(self.service.of(name, "message")) > before, what=f"the turn {body!r}")
            idle(self.hub)
        return self.service.of(name)

    def answers(self, name: str, person: str = USER) -> list[str]:
        """The texts `person` got from the integration `name`."""
        return [message.body for message in self.twilio.messages(to=person) if message.from_ in NUMBERS[name]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    numbers = tuple(number for each in NUMBERS.values() for number in each)
    with (
        RunningSimulator(numbers=numbers) as twilio,
        WatsonService() as service,
        RunningHub(tmp_path_factory.mktemp("hub"), {"HUB_PLUGINS": "twilio,watson"}) as hub,
    ):
        common = {"url": service.url, "iam_url": service.root, "auth": "none"}
        account = {"account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "base_url": twilio.url}
        hub.apply(
            {
                "assistant": {
                    name: {"plugin": "watson", "settings": {**common, "assistant_id": name, **settings}}
                    for name, settings in ASSISTANTS.items()
                },
                "integration": {
                    name: {
                        "channel": "sms_twilio",
                        "assistant": name,
                        "settings": {
                            **account,
                            "phone_numbers": list(NUMBERS[name]),
                            "failure_message": "F!",
                            "initiate_from_inbound": name != "silent",
                        },
                    }
                    for name in ASSISTANTS
                },
            }
        )
        for name, given in NUMBERS.items():
            for number in given:
                twilio.configure(f"{hub.url}/webhooks/{name}/message", number=number)
        yield Site(hub, twilio, service)


@pytest.fixture(scope="module")
def first(site: Site) -> list[Call]:
    """The calls that the very first text of USER to TENANT led to."""
    return site.texts("first", "hello")


def test_case_1_a_first_text_creates_a_session_and_is_itself_the_first_turn(site: Site, first: list[Call]) -> None:
    assert [call.kind for call in first] == ["create", "message"]
    assert first[1].body["input"]["text"] == "hello"
    assert site.answers("first") == ["you said hello"]


def test_case_2_the_message_is_a_text_and_asks_for_the_context(first: list[Call]) -> None:
    given = first[1].body["input"]
    assert given["message_type"] == "text"
    assert given["options"]["return_context"] is True


def test_case_3_the_user_id_is_the_md5_of_the_number_and_never_the_number(first: list[Call]) -> None:
    assert hashlib.md5(USER.encode()).hexdigest() == USER_MD5
    body = first[1].body
    assert body["context"]["global"]["system"]["user_id"] == USER_MD5
    assert body["input"]["source"] == {"type": "user", "id": USER_MD5}
    assert body.get("user_id") == USER_MD5


def test_case_4_text_messaging_carries_both_numbers_and_a_request_id(first: list[Call]) -> None:
    given = first[1].body["context"]["integrations"]["text_messaging"]
    assert given["assistant_phone_number"] == TENANT
    assert given["private"]["user_phone_number"] == USER
    assert str(uuid.UUID(given["private"]["request_id"])) == given["private"]["request_id"]


def test_case_4_the_older_variables_say_the_same(first: list[Call]) -> None:
    assert first[1].variables == {
        "smsTenantPhoneNumber": TENANT,
        "smsUserPhoneNumber": USER,
        "smsSessionID": f"text_messaging-{USER_MD5}",
        "smsMedia": [],
    }


def test_case_6_the_channel_is_sms_and_its_user_the_phone_number(first: list[Call]) -> None:
    channel = first[1].body["context"]["integrations"]["channel"]
    assert channel == {"name": "SMS", "private": {"user": {"id": USER, "phone_number": USER}}}


def test_case_7_a_second_text_goes_to_the_same_session(site: Site) -> None:
    calls = site.texts("again", "hello", "again")
    assert [call.kind for call in calls] == ["create", "message", "message"]
    assert calls[1].session == calls[2].session is not None
    assert calls[2].body["input"]["text"] == "again"


def test_case_10_two_numbers_are_two_sessions_and_each_answers_by_itself(site: Site) -> None:
    one, other = NUMBERS["numbers"]
    site.texts("numbers", "to one", number=0)
    calls = site.texts("numbers", "to other", number=1)
    assert [call.kind for call in calls] == ["create", "message"] * 2
    assert calls[1].session != calls[3].session
    sent = [(message.from_, message.body) for message in site.twilio.messages(to=USER) if message.from_ in (one, other)]
    assert sent == [(one, "you said to one"), (other, "you said to other")]


def test_case_11_without_initiate_inbound_a_stray_text_is_accepted_and_nobody_acts_on_it(site: Site) -> None:
    message = site.text("silent", "hi")
    kept = query(site.hub, "SELECT queue, turn_id, status FROM message WHERE provider_id = :sid", sid=message.sid)
    assert [tuple(row) for row in kept] == [(None, None, "received")]
    idle(site.hub)
    assert site.service.of("silent") == []
    assert site.answers("silent") == []


def test_case_13_line_breaks_and_tabs_become_one_space(site: Site) -> None:
    site.texts("breaks", "line1\nline2\tx", "line1\r\n\r\nline2\t\tx")
    given = [call.body["input"]["text"] for call in site.service.of("breaks", "message")]
    assert given == ["line1 line2 x"] * 2


def test_case_15_a_stateless_assistant_gets_its_whole_context_back(site: Site) -> None:
    one, two = site.texts("stateless", "one", "two")
    assert (one.kind, two.kind) == ("message", "message")
    assert one.session is two.session is None
    assert "session_id" not in one.body["context"]["global"]
    part = two.body["context"]["global"]
    assert uuid.UUID(part["session_id"])
    assert part["system"]["state"] == "after one"
    assert two.variables["smsUserPhoneNumber"] == USER


def test_case_17_without_an_environment_the_older_path_is_used(site: Site) -> None:
    create, message = site.texts("older", "hello")
    assert create.path.endswith("/v2/assistants/older/sessions")
    assert message.path.endswith(f"/v2/assistants/older/sessions/{message.session}/message")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", message.query["version"])


def test_case_18_with_an_environment_it_stands_in_the_path(first: list[Call]) -> None:
    create, message = first
    assert create.path.endswith("/v2/assistants/first/environments/e-1/sessions")
    assert message.path.endswith(f"/v2/assistants/first/environments/e-1/sessions/{message.session}/message")
    assert message.query == {"version": "2024-08-25"}


def test_case_19_two_turns_sign_in_once_and_use_the_same_bearer(site: Site) -> None:
    calls = site.texts("iam", "one", "two")
    (token,) = [call for call in site.service.calls if call.kind == "token"]
    assert token.body == {
        "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
        "apikey": API_KEY,
        "response_type": "cloud_iam",
    }
    assert {call.headers["Authorization"] for call in calls} == {f"Bearer {site.service.token}"}
    assert [call.kind for call in calls] == ["create", "message", "message"]


def test_case_32_a_text_of_2000_characters_becomes_two_messages_cut_at_white_space(site: Site) -> None:
    long = " ".join(f"word{number:04}" for number in range(223))[:2000].strip()
    assert len(long) == 2000
    site.service.answers["long"] = lambda text: [said(long)]
    site.texts("long", "tell me")
    parts = site.answers("long")
    assert len(parts) == 2
    assert all(len(part) <= 1600 for part in parts)
    assert " ".join(parts) == long


def test_case_37_an_empty_answer_sends_nothing_and_the_session_lives_on(site: Site) -> None:
    site.service.answers["empty"] = lambda text: [said("here again")] if text == "two" else []
    calls = site.texts("empty", "one", "two")
    assert [call.kind for call in calls] == ["create", "message", "message"]
    assert calls[1].session == calls[2].session
    assert site.answers("empty") == ["here again"]


@pytest.fixture(scope="module")
def picture(site: Site) -> tuple[Call, Call]:
    """The turns of a picture without a text, and of a text after it."""
    taken: Callable[[], bool] = lambda: len(site.service.of("media", "message")) == 1  # noqa: E731
    site.text("media", media=[("image/jpeg", JPEG)])
    wait_until(taken, what="the turn of the picture")
    idle(site.hub)
    first, second = [call for call in site.texts("media", "no picture") if call.kind == "message"]
    return first, second


def test_case_38_a_picture_is_an_attachment_and_stands_in_sms_media(site: Site, picture: tuple[Call, Call]) -> None:
    given = picture[0].body["input"]
    assert given["text"] == ""
    (attachment,) = given.get("attachments", [None])
    assert attachment is not None, site.hub.events("attachment_not_fetched")
    assert attachment["media_type"] == "image/jpeg"
    assert attachment["url"].startswith(f"{site.hub.url}/media/")
    assert picture[0].variables["smsMedia"] == [{"mediaURL": attachment["url"], "mediaContentType": "image/jpeg"}]


def test_case_39_the_turn_after_it_has_neither(picture: tuple[Call, Call]) -> None:
    second = picture[1]
    assert second.body["input"]["text"] == "no picture"
    assert "attachments" not in second.body["input"]
    assert second.variables["smsMedia"] == []
