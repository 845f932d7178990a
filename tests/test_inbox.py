"""Accepting: every delivery is kept once, consent is honoured, and reports move a message forward only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from inprocess import NUMBER, PERSON, LocalHub, Time, inbound
from sqlalchemy import delete, func, select

from hub import DeliveryReport, InboundMedia, SendFailed, Sent
from hub.channels import RANK
from hub.hub import Hub
from hub.ids import uuid7
from hub.rendering.text import Part
from hub.store.models import Base, Lane, Message, MessageEvent, OptOut, Turn

OTHER_PERSON = "+15550000003"
OTHER_NUMBER = "+15550000009"


@pytest.fixture
def local(database_url: str, tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(database_url, tmp_path) as hub:
        yield hub


def row_counts(hub: Hub) -> dict[str, int]:
    with hub.store.read() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }


def outgoing(local: LocalHub) -> UUID:
    """A message of ours that waits to be sent."""

    def job(connection: Any) -> UUID:
        lane = local.hub.inbox.lane(connection, local.bound().assistant.id, NUMBER, PERSON)
        local.hub.outbox.put(
            connection,
            local.bound(),
            lane,
            turn=None,
            sender=NUMBER,
            person=PERSON,
            parts=[Part("hi")],
            correlation="c",
        )
        return lane

    lane = local.hub.store.write(job)
    return local.rows(Message, Message.lane_id == lane, Message.direction == "outbound")[-1].id


def report(status: Any, message: UUID | None = None, provider_id: str = "P-1", **fields: Any) -> DeliveryReport:
    return DeliveryReport(provider_id, status, {"MessageStatus": status}, message_id=message, **fields)


class TestTexts:
    def test_a_text_is_kept_with_everything_the_provider_said(self, local: LocalHub) -> None:
        raw = {"Body": "hello", "FromCity": "", "ApiVersion": "2010-04-01", "emoji": "🌅 é"}
        media = (InboundMedia("https://provider.example/1", "image/png"),)
        lanes, results = local.accept(inbound("hello", provider_id="SM1", raw=raw, media=media, segments=2))
        (row,) = local.rows(Message)
        assert results == ["accepted"]
        assert lanes == [row.lane_id]
        assert (row.direction, row.status, row.queue, row.provider_id) == ("inbound", "received", "inbox", "SM1")
        assert (row.sender, row.recipient, row.text, row.segments) == (PERSON, NUMBER, "hello", 2)
        assert row.raw == raw
        assert row.media == [{"url": "https://provider.example/1", "media_type": "image/png"}]

    def test_a_text_of_a_known_person_is_one_new_row_and_nothing_else(self, local: LocalHub) -> None:
        local.text("one")
        before = row_counts(local.hub)
        local.text("two")
        after = row_counts(local.hub)
        assert after == {**before, "message": before["message"] + 1}

    def test_a_request_without_texts_and_reports_stores_nothing(self, local: LocalHub) -> None:
        before = row_counts(local.hub)
        assert local.accept() == ([], [])
        assert row_counts(local.hub) == before

    def test_a_repeat_is_not_stored_and_wakes_nobody(self, local: LocalHub) -> None:
        text = inbound("hello")
        local.accept(text)
        assert local.accept(text) == ([], ["repeated"])
        assert len(local.rows(Message)) == 1

    def test_a_repeat_after_its_turn_gives_no_second_turn(self, local: LocalHub) -> None:
        text = inbound("hello")
        local.accept(text)
        local.drain()
        local.accept(text)
        local.drain()
        assert local.script.inputs == ["hello"]
        assert local.provider.texts == ["echo hello"]

    def test_provider_ids_are_unique_per_integration_only(self, local: LocalHub) -> None:
        local.configure("sms-b")
        text = inbound("hello")
        assert local.accept(text)[1] == ["accepted"]
        assert local.accept(text, via="sms-b")[1] == ["accepted"]

    def test_copies_at_the_same_moment_in_two_processes_are_one_message_and_one_turn(self, local: LocalHub) -> None:
        text = inbound("hello")
        start = threading.Barrier(8)

        def deliver(hub: LocalHub) -> str:
            start.wait(20)
            return hub.accept(text)[1][0]

        with local.other() as other, ThreadPoolExecutor(8) as pool:
            results = list(pool.map(deliver, [local, other] * 4))
            assert sorted(results) == ["accepted"] + ["repeated"] * 7
            list(pool.map(LocalHub.drain, [local, other]))
        assert len(local.rows(Message, Message.direction == "inbound")) == 1
        assert len(local.rows(Lane)) == 1
        assert len(local.rows(Turn)) == 1
        assert local.provider.texts == ["echo hello"]

    def test_first_texts_of_one_person_at_the_same_moment_in_two_processes_share_a_lane(self, local: LocalHub) -> None:
        start = threading.Barrier(8)

        def deliver(hub: LocalHub) -> list[str]:
            start.wait(20)
            return hub.text()

        with local.other() as other, ThreadPoolExecutor(8) as pool:
            assert list(pool.map(deliver, [local, other] * 4)) == [["accepted"]] * 8
        assert len(local.rows(Lane)) == 1
        assert len(local.rows(Message)) == 8

    def test_a_lane_that_another_process_removed_is_made_again(self, local: LocalHub) -> None:
        local.text("one")
        local.text("two")
        with local.other() as other:
            other.hub.store.write(lambda connection: connection.execute(delete(Message)))
            other.hub.store.write(lambda connection: connection.execute(delete(Lane)))
        assert local.text("three") == ["accepted"]
        local.drain()
        assert local.provider.texts == ["echo three"]


class TestStrays:
    def test_a_stray_text_is_kept_but_starts_no_conversation(self, local: LocalHub) -> None:
        local.configure(initiate_from_inbound=False)
        assert local.accept(inbound("hello")) == ([], ["stray"])
        local.drain()
        assert [row.text for row in local.rows(Message)] == ["hello"]
        assert local.rows(Turn) == []

    def test_a_text_of_a_conversation_going_on_is_no_stray_until_the_session_times_out(
        self, local: LocalHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time(monkeypatch)
        local.converse("hello")
        local.configure(initiate_from_inbound=False)
        time.passes(3599)
        assert local.text("more") == ["accepted"]
        local.drain()
        time.passes(3601)
        assert local.text("late") == ["stray"]


class TestConsent:
    @pytest.mark.parametrize("keyword", ["stop", "start", "help"])
    def test_a_keyword_is_kept_but_never_reaches_the_assistant(self, local: LocalHub, keyword: Any) -> None:
        lanes, results = local.accept(inbound(keyword.upper(), opt_out=keyword, opt_out_sender=NUMBER))
        local.drain()
        assert (lanes, results) == ([], ["keyword"])
        assert [row.text for row in local.rows(Message)] == [keyword.upper()]
        assert local.rows(Turn) == []
        assert len(local.rows(OptOut)) == (keyword == "stop")

    def test_after_stop_texts_reach_the_assistant_and_answers_are_kept_back_until_start(self, local: LocalHub) -> None:
        local.text("STOP", opt_out="stop", opt_out_sender=NUMBER)
        local.converse("still there?")
        assert local.script.inputs == ["still there?"]
        (kept,) = local.sent()
        assert (kept.text, kept.status, kept.queue) == ("echo still there?", "opted_out", None)
        local.text("START", opt_out="start", opt_out_sender=NUMBER)
        local.converse("again")
        assert local.provider.texts == ["echo again"]

    def test_stop_concerns_this_person_and_this_sender_only(self, local: LocalHub) -> None:
        local.text("STOP", opt_out="stop", opt_out_sender=NUMBER)
        local.text("hello", OTHER_PERSON)
        local.text("hi", PERSON, recipient=OTHER_NUMBER)
        local.drain()
        assert sorted(local.provider.texts) == ["echo hello", "echo hi"]

    def test_start_takes_back_the_stop_of_its_own_sender_only(self, local: LocalHub) -> None:
        for sender in (NUMBER, OTHER_NUMBER):
            local.text("STOP", recipient=sender, opt_out="stop", opt_out_sender=sender)
        local.text("STOP", OTHER_PERSON, opt_out="stop", opt_out_sender=NUMBER)
        local.text("START", opt_out="start", opt_out_sender=NUMBER)
        left = {(row.sender, row.person) for row in local.rows(OptOut)}
        assert left == {(OTHER_NUMBER, PERSON), (NUMBER, OTHER_PERSON)}

    def test_with_a_service_stop_covers_all_its_numbers(self, local: LocalHub) -> None:
        local.configure(service="MG1")
        local.text("STOP", opt_out="stop", opt_out_sender="MG1")
        local.text("hello", PERSON, recipient=OTHER_NUMBER)
        local.drain()
        assert local.statuses() == ["opted_out"]

    def test_a_repeated_delivery_of_stop_does_not_undo_a_later_start(self, local: LocalHub) -> None:
        stop = inbound("STOP", opt_out="stop", opt_out_sender=NUMBER)
        local.accept(stop)
        local.text("START", opt_out="start", opt_out_sender=NUMBER)
        local.accept(stop)
        assert local.rows(OptOut) == []

    def test_stop_twice_is_one_opt_out(self, local: LocalHub) -> None:
        for _ in range(2):
            assert local.text("STOP", opt_out="stop", opt_out_sender=NUMBER) == ["keyword"]
        assert len(local.rows(OptOut)) == 1

    def test_stop_keeps_back_what_still_waits_for_its_next_attempt(
        self, local: LocalHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time(monkeypatch)
        local.provider.plan.append(SendFailed("429", "slower", retryable=True))
        local.converse("hello")
        assert local.statuses() == ["pending"]
        local.text("STOP", opt_out="stop", opt_out_sender=NUMBER)
        time.passes(5)
        local.drain()
        assert local.provider.texts == []
        assert local.statuses() == ["opted_out"]


class TestReports:
    @example(["delivered", "sent", "queued"])
    @example(["undelivered", "delivered", "read"])
    @given(st.lists(st.sampled_from(sorted(RANK, key=lambda status: RANK[status])), min_size=1, max_size=6))
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_reports_in_any_order_move_a_message_forward_only_and_are_all_kept(
        self, local: LocalHub, statuses: list[str]
    ) -> None:
        message = outgoing(local)
        expected = "pending"
        for status in statuses:
            local.report(report(status, message, f"P-{message}"))
            expected = max(expected, status, key=lambda each: RANK[each])  # type: ignore[index]
            assert local.rows(Message, Message.id == message)[0].status == expected
        assert [event.status for event in local.rows(MessageEvent, MessageEvent.message_id == message)] == statuses

    @given(st.permutations(["queued", "sending", "sent", "delivered", "read"]))
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whatever_the_order_a_message_that_was_read_ends_as_read(
        self, local: LocalHub, statuses: list[str]
    ) -> None:
        message = outgoing(local)
        for status in statuses:
            local.report(report(status, message, f"P-{message}"))
        (row,) = local.rows(Message, Message.id == message)
        assert (row.status, row.rank, row.queue) == ("read", RANK["read"], None)

    def test_a_report_keeps_its_payload_and_its_error_code(self, local: LocalHub) -> None:
        message = outgoing(local)
        local.report(report("undelivered", message, error_code="30005"))
        (event,) = local.rows(MessageEvent)
        assert (event.raw, event.error_code) == ({"MessageStatus": "undelivered"}, "30005")
        assert local.sent()[0].error_code == "30005"

    def test_a_report_that_overtakes_our_note_of_the_providers_id_counts(self, local: LocalHub) -> None:
        def accepted(message: Any) -> Sent:
            local.report(report("delivered", message.id, "P-early"))
            return Sent("P-early", "queued")

        local.provider.plan.append(accepted)
        local.converse("hello")
        (row,) = local.sent()
        assert (row.status, row.provider_id, row.queue) == ("delivered", "P-early", None)

    def test_a_report_on_a_message_whose_outcome_is_unknown_proves_that_it_was_sent(
        self, local: LocalHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time(monkeypatch)
        local.provider.plan.append(SendFailed("timeout", "no answer", retryable=True, unknown=True))
        local.converse("hello")
        (row,) = local.sent()
        local.report(report("sent", row.id, "P-late"))
        time.passes(100)
        local.drain()
        (row,) = local.sent()
        assert (row.status, row.provider_id, row.queue) == ("sent", "P-late", None)
        assert len(local.provider.attempts) == 1
        assert local.provider.searches == []

    def test_a_report_without_our_id_finds_the_message_by_the_providers_id(self, local: LocalHub) -> None:
        local.provider.plan.append(Sent("P-1"))
        local.converse("hello")
        local.report(report("delivered"))
        assert local.statuses() == ["delivered"]

    @pytest.mark.parametrize("message", [None, uuid7()])
    def test_a_report_on_an_unknown_message_is_kept_and_changes_nothing(
        self, local: LocalHub, message: UUID | None
    ) -> None:
        local.converse("hello")
        local.report(report("failed", message, "P-unheard-of"))
        (event,) = local.rows(MessageEvent)
        assert (event.message_id, event.provider_id, event.status) == (None, "P-unheard-of", "failed")
        assert local.statuses() == ["queued"]

    def test_a_report_cannot_touch_a_message_of_another_integration(self, local: LocalHub) -> None:
        local.configure("sms-b")
        message = outgoing(local)
        local.report(report("failed", message), via="sms-b")
        assert local.statuses() == ["pending"]

    def test_a_report_cannot_touch_an_inbound_message(self, local: LocalHub) -> None:
        local.text("hello", provider_id="P-1")
        local.report(report("failed"), report("failed", local.rows(Message)[0].id))
        (row,) = local.rows(Message)
        assert (row.status, row.queue) == ("received", "inbox")

    def test_a_report_of_an_opt_out_keeps_back_what_follows(self, local: LocalHub) -> None:
        local.converse("hello")
        local.report(report("failed", local.sent()[0].id, error_code="21610", opted_out=True))
        local.converse("again")
        assert [(row.sender, row.person) for row in local.rows(OptOut)] == [(NUMBER, PERSON)]
        assert local.statuses()[-1] == "opted_out"
