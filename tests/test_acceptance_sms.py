"""Acceptance cases of the SMS channel with IBM watsonx Assistant: sessions and the first turn.

Each test names its case. Case 12 (a text to a number with which a call is going on) needs the phone channel and is not
here.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator

import pytest
from acceptance import ENVIRONMENT, Line, Site, running
from conftest import PERSON
from signed import idle, query
from watson_service import Call, Reply

TENANT = "+15550000001"
USER = PERSON
USER_MD5 = "180a2483b5bddb75b78cca01b2a0ff67"
API_KEY = "key-for-tests-0123456789"

# One assistant and one integration each, so that every test sees all the calls it caused, and no others.
LINES = (
    Line("first", (TENANT,)),
    Line("again", ("+15550001001",)),
    Line("numbers", ("+15550002001", "+15550002002")),
    Line("silent", ("+15550001002",), channel={"initiate_from_inbound": False}),
    Line("breaks", ("+15550001003",)),
    Line("stateless", ("+15550001004",), {**ENVIRONMENT, "stateless": True}),
    Line("older", ("+15550001005",), {}),
    Line("iam", ("+15550001006",), {**ENVIRONMENT, "auth": "iam", "api_key": API_KEY}),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("hub"), *LINES) as site:
        yield site


def calls(site: Site, line: str, *bodies: str) -> list[Call]:
    """The calls of the service after USER has sent these texts, each after the answer to the one before."""
    for body in bodies:
        site.talk(line, USER).says(body)
    return site.service.of(line)


@pytest.fixture(scope="module")
def first(site: Site) -> list[Call]:
    """The calls that the very first text of USER to TENANT led to."""
    return calls(site, "first", "hello")


def test_case_1_a_first_text_creates_a_session_and_is_itself_the_first_turn(site: Site, first: list[Call]) -> None:
    assert [call.kind for call in first] == ["create", "message"]
    assert first[1].body["input"]["text"] == "hello"
    assert [message.body for message in site.talk("first", USER).received] == ["you said hello"]


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
    assert USER not in str((body["input"], body["context"]["global"], body["user_id"]))


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
    create, one, two = calls(site, "again", "hello", "again")
    assert (create.kind, one.kind, two.kind) == ("create", "message", "message")
    assert one.session == two.session == create.session is not None
    assert two.input["text"] == "again"


def test_case_10_two_numbers_are_two_sessions_and_each_answers_by_itself(site: Site) -> None:
    one, other = site.talk("numbers", USER), site.talk("numbers", USER, number=1)
    assert one.says("to one") == ["you said to one"]
    assert other.says("to other") == ["you said to other"]
    assert one.says("to one again") == ["you said to one again"]
    made = site.service.of("numbers")
    assert [call.kind for call in made] == ["create", "message", "create", "message", "message"]
    assert made[1].session == made[4].session != made[3].session
    assert len(one.received) == 2
    assert len(other.received) == 1


def test_case_11_without_initiate_inbound_a_stray_text_is_accepted_and_nobody_acts_on_it(site: Site) -> None:
    talk = site.talk("silent", USER)
    message = talk.text("hi")
    kept = query(site.hub, "SELECT queue, turn_id, status FROM message WHERE provider_id = :sid", sid=message.sid)
    assert [tuple(row) for row in kept] == [(None, None, "received")]
    idle(site.hub)
    assert site.service.of("silent") == []
    assert talk.received == []


def test_case_13_line_breaks_and_tabs_become_one_space(site: Site) -> None:
    made = calls(site, "breaks", "line1\nline2\tx", "line1\r\n\r\nline2\t\tx")
    assert [call.input["text"] for call in made if call.kind == "message"] == ["line1 line2 x"] * 2


def test_case_15_a_stateless_assistant_gets_its_whole_context_back(site: Site) -> None:
    site.talk("stateless", USER).script(Reply(variables={"name": "Ann"}))
    one, two = calls(site, "stateless", "one", "two")
    assert (one.kind, two.kind) == ("message", "message")
    assert one.session is two.session is None
    assert "session_id" not in one.body["context"]["global"]
    part = two.body["context"]["global"]
    assert uuid.UUID(part["session_id"])
    assert (part["system"]["state"], part["system"]["turn_count"]) == ("after one", 1)
    assert (two.variables["name"], two.variables["smsUserPhoneNumber"]) == ("Ann", USER)


def test_case_17_without_an_environment_the_older_path_is_used(site: Site) -> None:
    create, message = calls(site, "older", "hello")
    assert create.path.endswith("/v2/assistants/older/sessions")
    assert message.path.endswith(f"/v2/assistants/older/sessions/{message.session}/message")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", message.query["version"])


def test_case_18_with_an_environment_it_stands_in_the_path(first: list[Call]) -> None:
    create, message = first
    assert create.path.endswith("/v2/assistants/first/environments/e-1/sessions")
    assert message.path.endswith(f"/v2/assistants/first/environments/e-1/sessions/{message.session}/message")
    assert message.query == {"version": "2024-08-25"}


def test_case_19_two_turns_sign_in_once_and_use_the_same_bearer(site: Site) -> None:
    made = calls(site, "iam", "one", "two")
    (token,) = [call for call in site.service.calls if call.kind == "token"]
    assert token.body == {
        "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
        "apikey": API_KEY,
        "response_type": "cloud_iam",
    }
    assert {call.headers["Authorization"] for call in made} == {f"Bearer {site.service.token}"}
    assert [call.kind for call in made] == ["create", "message", "message"]
