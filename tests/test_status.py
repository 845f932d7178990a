"""What becomes of a message after Twilio took it, and what people want to hear: reports, opt-outs, senders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from conftest import TEST_PLUGINS
from doubles import ScriptedAssistant
from hub_simulator.messages import Message
from hub_simulator.testing import RunningSimulator
from signed import Caller, idle, message_fields, query

from hub.testing import RunningHub, wait_until

SERVICE = "MG" + "5" * 32
OWN = ("+15550000001", "+15550000002")
POOL = ("+15550000003", "+15550000004")
OPTED_OUT_AT_TWILIO = "+15005550004"
"""Twilio's test number that has always opted out: messages to it are refused with 21610."""
FAST = {"delay": 0.02}


@dataclass
class Site:
    """A hub with two integrations: ``own`` sends from its numbers, ``pool`` through a Messaging Service."""

    hub: RunningHub
    twilio: RunningSimulator
    assistant: ScriptedAssistant
    caller: Caller
    people: Iterator[str] = field(default_factory=lambda: (f"+1555000{number}" for number in range(8000, 9000)))

    def text(self, person: str, body: str, number: str = OWN[0]) -> None:
        """`person` texts; returns when the hub has done everything about it."""
        message = self.twilio.text(person, number, body)
        assert [attempt.status for attempt in message.attempts] == [200]
        idle(self.hub)

    def sent(self, person: str) -> list[Message]:
        """What the hub sent to `person`; what Twilio itself says about keywords is not part of it."""
        return [message for message in self.twilio.messages(to=person) if message.origin == "api"]

    def outbound(self, person: str) -> list[Any]:
        """The hub's own view of what it sent or kept back."""
        wanted = "SELECT * FROM message WHERE direction = 'outbound' AND recipient = :person ORDER BY id"
        return query(self.hub, wanted, person=person)

    def answered(self, person: str, number: str = OWN[0]) -> Message:
        """A text of `person` and the one answer to it, as Twilio has it."""
        before = len(self.sent(person))
        self.text(person, "hello", number)
        (message,) = self.sent(person)[before:]
        return message

    def reports(self, sid: str) -> list[str]:
        """The statuses that came for a message, in the order in which they came."""
        found = query(self.hub, "SELECT status FROM message_event WHERE provider_id = :sid ORDER BY id", sid=sid)
        return [row.status for row in found]

    def wait_for_reports(self, sid: str, count: int) -> list[str]:
        wait_until(lambda: len(self.reports(sid)) >= count, what=f"{count} reports")
        return self.reports(sid)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    path = os.pathsep.join([str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")])
    environment = {"HUB_PLUGINS": "twilio,scripted", "PYTHONPATH": path}
    with (
        RunningSimulator(numbers=OWN + POOL, services={SERVICE: POOL}) as twilio,
        ScriptedAssistant() as assistant,
        RunningHub(tmp_path_factory.mktemp("hub"), environment) as hub,
    ):
        account = {"account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "base_url": twilio.url}
        one = {"channel": "sms_twilio", "assistant": "test"}
        hub.apply(
            {
                "assistant": {"test": {"plugin": "scripted", "settings": {"url": assistant.url}}},
                "integration": {
                    "own": {**one, "settings": {**account, "phone_numbers": list(OWN)}},
                    "pool": {
                        **one,
                        "settings": {**account, "phone_numbers": list(POOL), "messaging_service_sid": SERVICE},
                    },
                },
            }
        )
        for number in OWN + POOL:
            twilio.configure(f"{hub.url}/webhooks/{'own' if number in OWN else 'pool'}/message", number=number)
        caller = Caller(hub, twilio.auth_token)
        yield Site(hub, twilio, assistant, caller)
        caller.close()


@pytest.fixture
def site(shared: Site) -> Site:
    shared.twilio.behave(callbacks=FAST)
    return shared


# --- reports ---------------------------------------------------------------------------------------------------------


def test_reports_in_order_lead_to_delivered_and_are_all_kept(site: Site) -> None:
    person = next(site.people)
    message = site.answered(person)
    assert site.wait_for_reports(message.sid, 3) == ["sending", "sent", "delivered"]
    (kept,) = [each for each in site.hub.messages(person) if each["direction"] == "outbound"]
    assert (kept["status"], kept["error_code"], kept["provider_id"]) == ("delivered", None, message.sid)
    assert [event["status"] for event in kept["events"]] == ["sending", "sent", "delivered"]


def test_reports_in_disorder_never_move_a_message_back(site: Site) -> None:
    site.twilio.behave(callbacks={**FAST, "disorder": True})
    person = next(site.people)
    message = site.answered(person)
    assert site.wait_for_reports(message.sid, 3) == ["delivered", "sent", "sending"]
    assert site.outbound(person)[0].status == "delivered"


def test_repeated_reports_are_all_kept_and_change_nothing(site: Site) -> None:
    site.twilio.behave(callbacks={**FAST, "duplicates": 1.0})
    person = next(site.people)
    message = site.answered(person)
    assert site.wait_for_reports(message.sid, 6) == ["sending"] * 2 + ["sent"] * 2 + ["delivered"] * 2
    assert site.outbound(person)[0].status == "delivered"


def test_a_message_whose_reports_are_lost_stays_as_twilio_accepted_it(site: Site) -> None:
    site.twilio.behave(callbacks={**FAST, "loss": 1.0})
    person = next(site.people)
    message = site.answered(person)
    site.twilio.wait_for(lambda messages: site.twilio.messages(to=person)[0].status == "delivered")
    assert site.reports(message.sid) == []
    (kept,) = site.outbound(person)
    assert (kept.status, kept.provider_id) == ("queued", message.sid)


def test_an_undelivered_message_has_its_code_and_is_not_sent_again(site: Site) -> None:
    site.twilio.behave(callbacks={**FAST, "final": [{"status": "undelivered", "code": 30003}]})
    person = next(site.people)
    message = site.answered(person)
    assert site.wait_for_reports(message.sid, 3) == ["sending", "sent", "undelivered"]
    (kept,) = site.outbound(person)
    assert (kept.status, kept.error_code) == ("undelivered", "30003")
    codes = query(
        site.hub, "SELECT error_code FROM message_event WHERE provider_id = :sid ORDER BY id", sid=message.sid
    )
    assert [row.error_code for row in codes] == [None, None, "30003"]
    assert len(site.sent(person)) == 1


@pytest.mark.parametrize(
    ("order", "ends_as"),
    [
        (("read", "delivered", "sent"), "read"),
        (("delivered", "undelivered"), "delivered"),
        (("failed", "sent", "delivered"), "failed"),
        (("sending", "queued", "accepted"), "sending"),
        (("sent", "SENT", "sent"), "sent"),
    ],
)
def test_whatever_order_reports_come_in_the_status_only_moves_forward(
    site: Site, order: tuple[str, ...], ends_as: str
) -> None:
    site.twilio.behave(callbacks={**FAST, "loss": 1.0})
    person = next(site.people)
    message = site.answered(person)
    (kept,) = site.outbound(person)
    for status in order:
        fields = message_fields(site.twilio.account_sid, person, MessageSid=message.sid, MessageStatus=status)
        assert site.caller.post(f"/webhooks/own/status?message={UUID(str(kept.id))}", fields) == 200
    (now,) = site.outbound(person)
    assert now.status == ends_as
    assert len(site.reports(message.sid)) == len(order)


def test_a_report_that_overtakes_the_answer_of_the_api_is_not_lost(site: Site) -> None:
    site.twilio.behave(
        callbacks={"delay": 0.0},
        rules=[{"on": "create", "do": "hang", "seconds": 1, "accept": True, "times": 1}],
    )
    person = next(site.people)
    message = site.answered(person)
    wait_until(lambda: "delivered" in site.reports(message.sid), what="the last report")
    (kept,) = site.outbound(person)
    assert (kept.status, kept.provider_id) == ("delivered", message.sid)
    assert len(site.sent(person)) == 1


def test_a_report_on_a_message_of_somebody_else_is_kept_and_touches_none_of_ours(site: Site) -> None:
    person, theirs = next(site.people), "SM" + "9" * 32
    site.answered(person)
    wait_until(lambda: site.outbound(person)[0].status == "delivered", what="the reports")
    before = site.outbound(person)
    fields = message_fields(site.twilio.account_sid, person, MessageSid=theirs, MessageStatus="failed")
    assert site.caller.post("/webhooks/own/status", fields) == 200
    assert site.reports(theirs) == ["failed"]
    assert site.outbound(person) == before


# --- consent ---------------------------------------------------------------------------------------------------------


def test_after_stop_answers_are_kept_and_not_sent_until_start(site: Site) -> None:
    person = next(site.people)
    for body in ("hello", "STOP", "are you there", " start\n", "back again"):
        site.text(person, body)
    assert [message.body for message in site.sent(person)] == ["echo hello", "echo back again"]
    assert [(message.text, message.status) for message in site.outbound(person)][1] == (
        "echo are you there",
        "opted_out",
    )
    asked = [request["input"]["text"] for request in site.assistant.requests]
    assert "are you there" in asked
    assert not {"STOP", " start\n", " start "} & set(asked)


@pytest.mark.parametrize(
    "word",
    ["STOPALL", "unsubscribe", "Cancel", " END ", "quit", "REVOKE", "OPTOUT", "START", "YES", "UNSTOP", "HELP", "info"],
)
def test_a_keyword_alone_never_reaches_the_assistant(site: Site, word: str) -> None:
    person = next(site.people)
    before = len(site.assistant.requests)
    site.text(person, word)
    assert len(site.assistant.requests) == before
    assert site.outbound(person) == []


def test_a_keyword_within_a_sentence_is_an_ordinary_text(site: Site) -> None:
    person = next(site.people)
    site.text(person, "please STOP it")
    assert [message.body for message in site.sent(person)] == ["echo please STOP it"]


def test_the_opt_out_type_of_an_account_with_words_of_its_own_counts(site: Site) -> None:
    person = next(site.people)
    target = "/webhooks/own/message"
    stop = message_fields(site.twilio.account_sid, person, "no more of this", OptOutType="STOP")
    assert site.caller.post(target, stop) == 200
    site.text(person, "hello")
    assert [(message.text, message.status) for message in site.outbound(person)] == [("echo hello", "opted_out")]
    start = message_fields(site.twilio.account_sid, person, "more of this", OptOutType="START")
    assert site.caller.post(target, start) == 200
    site.text(person, "hello again")
    assert [message.body for message in site.sent(person)] == ["echo hello again"]


def test_an_opt_out_that_only_twilio_knew_is_recorded_when_it_refuses(site: Site) -> None:
    site.text(OPTED_OUT_AT_TWILIO, "hello")
    site.text(OPTED_OUT_AT_TWILIO, "hello again")
    first, second = site.outbound(OPTED_OUT_AT_TWILIO)
    assert (first.status, first.error_code) == ("opted_out", "21610")
    assert (second.status, second.error_code) == ("opted_out", None)
    kept = query(site.hub, "SELECT sender, reason FROM opt_out WHERE person = :person", person=OPTED_OUT_AT_TWILIO)
    assert [tuple(row) for row in kept] == [(OWN[0], "provider")]


def test_21610_in_a_report_is_recorded_as_well(site: Site) -> None:
    site.twilio.behave(callbacks={**FAST, "final": [{"status": "undelivered", "code": 21610}]})
    person = next(site.people)
    message = site.answered(person)
    site.wait_for_reports(message.sid, 3)
    site.text(person, "hello again")
    assert [message.status for message in site.outbound(person)] == ["undelivered", "opted_out"]


def test_an_opt_out_of_one_number_is_none_of_the_other(site: Site) -> None:
    person = next(site.people)
    site.text(person, "STOP", OWN[0])
    site.text(person, "to the first", OWN[0])
    site.text(person, "to the second", OWN[1])
    assert [(message.from_, message.body) for message in site.sent(person)] == [(OWN[1], "echo to the second")]


# --- senders ---------------------------------------------------------------------------------------------------------


def test_each_answer_leaves_from_the_number_that_was_texted(site: Site) -> None:
    person = next(site.people)
    for number in (OWN[0], OWN[1], OWN[0]):
        site.text(person, f"to {number}", number)
    assert [(message.from_, message.body, message.service) for message in site.sent(person)] == [
        (number, f"echo to {number}", None) for number in (OWN[0], OWN[1], OWN[0])
    ]


def test_with_a_messaging_service_answers_leave_through_it_from_the_number_that_was_texted(site: Site) -> None:
    person = next(site.people)
    site.text(person, "hello", POOL[1])
    (message,) = site.sent(person)
    assert (message.service, message.from_) == (SERVICE, POOL[1])
    site.wait_for_reports(message.sid, 3)
    assert site.outbound(person)[0].status == "delivered"


def test_an_opt_out_covers_every_number_of_a_messaging_service(site: Site) -> None:
    person = next(site.people)
    site.text(person, "STOP", POOL[0])
    site.text(person, "hello", POOL[1])
    assert site.sent(person) == []
    assert [message.status for message in site.outbound(person)] == ["opted_out"]
    site.text(person, "START", POOL[1])
    site.text(person, "hello again", POOL[0])
    assert [message.body for message in site.sent(person)] == ["echo hello again"]
