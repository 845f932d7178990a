"""Leaving: each message once, in order, with patience; the loop guard; what is done when nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inprocess import NUMBER, PERSON, LocalHub, Time
from structlog.testing import capture_logs

from hub import Answer, AssistantFailed, SendFailed, Sent
from hub.channels import DEFAULT_FAILURE_MESSAGE
from hub.outbox import ATTEMPTS, SAME_ANSWERS
from hub.store.models import Lane, Message, OptOut, Turn

LATER = SendFailed("429", "slower, please", retryable=True)
NEVER = SendFailed("21211", "no such number", retryable=False)
UNKNOWN = SendFailed("timeout", "no answer", retryable=True, unknown=True)


@pytest.fixture
def local(database_url: str, tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(database_url, tmp_path) as hub:
        yield hub


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def next_attempt(local: LocalHub, time: Time) -> float:
    """Seconds until the first waiting message is tried again; the lane is due at the same moment."""
    row = next(row for row in local.sent() if row.queue == "outbox")
    assert local.rows(Lane)[0].due_at == row.next_attempt_at
    return float((row.next_attempt_at - time.now).total_seconds())


class TestAccepted:
    def test_the_row_says_what_the_provider_said(self, local: LocalHub) -> None:
        local.provider.plan.append(Sent("P-1", "sent", segments=3))
        local.converse("hello")
        (row,) = local.sent()
        assert (row.provider_id, row.status, row.segments, row.queue, row.attempts) == ("P-1", "sent", 3, None, 1)
        assert (row.sender, row.recipient, row.text) == (NUMBER, PERSON, "echo hello")
        assert row.turn_id == local.rows(Turn)[0].id

    def test_segments_are_counted_by_the_hub_while_the_provider_does_not_know(self, local: LocalHub) -> None:
        local.provider.plan.append(Sent("P-1", segments=None))
        local.converse("hello")
        assert local.sent()[0].segments == 1

    def test_reports_are_asked_for_at_an_address_that_names_the_message(self, local: LocalHub) -> None:
        local.converse("hello")
        (message,), (row,) = local.provider.accepted, local.sent()
        assert message.id == row.id
        assert message.status_url == f"http://127.0.0.1:8000/webhooks/sms/status?message={row.id}"

    def test_media_addresses_go_along(self, local: LocalHub) -> None:
        picture = {"response_type": "image", "source": "https://cdn.example/1.png", "title": "A picture"}
        local.script.reply = lambda text, turn: Answer({"output": {"generic": [picture]}, "context": {}})
        local.converse("picture")
        (message,) = local.provider.accepted
        assert (message.text, message.media) == ("A picture", ("https://cdn.example/1.png",))


class TestAttempts:
    def test_the_pauses_begin_at_a_second_double_and_end_with_the_eighth_attempt(
        self, local: LocalHub, time: Time
    ) -> None:
        local.provider.plan.extend([LATER] * 20)
        local.text()
        for attempt in range(1, ATTEMPTS):
            local.drain()
            expected = min(60.0, 2.0 ** (attempt - 1))
            pause = next_attempt(local, time)
            assert 0.8 * expected - 0.01 <= pause <= 1.2 * expected + 0.01, attempt
            assert (local.sent()[0].attempts, local.statuses()) == (attempt, ["pending"])
            time.passes(pause + 0.01)
        local.drain()
        (row,) = local.sent()
        assert (row.attempts, row.status, row.error_code, row.queue) == (8, "failed", "429", None)
        time.passes(1000)
        assert local.due() == []
        assert len(local.provider.attempts) == 8

    def test_no_pause_is_longer_than_a_minute_whatever_the_jitter(
        self, local: LocalHub, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("random.uniform", lambda low, high: high)
        local.provider.plan.extend([LATER] * 7)
        local.text()
        pauses = []
        for _ in range(7):
            local.drain()
            pauses.append(next_attempt(local, time))
            time.passes(pauses[-1] + 0.01)
        assert max(pauses) <= 60.01

    def test_pauses_of_many_messages_differ(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.extend([LATER] * 5)
        for number in range(5):
            local.converse("hello", person=f"+1555000000{number}")
        assert len({row.next_attempt_at for row in local.sent()}) > 1

    def test_nothing_is_tried_before_its_time(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(LATER)
        local.converse("hello")
        local.hub.drain.drain(local.rows(Lane)[0].id)
        assert len(local.provider.attempts) == 1
        time.passes(next_attempt(local, time) + 0.01)
        local.drain()
        assert local.provider.texts == ["echo hello"]

    def test_a_provider_that_names_a_time_is_given_that_time(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(SendFailed("429", "slower", retryable=True, retry_after=300))
        local.converse("hello")
        assert next_attempt(local, time) >= 300

    def test_what_will_never_work_is_not_tried_again(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(NEVER)
        local.converse("hello")
        (row,) = local.sent()
        assert (row.status, row.error_code, row.error, row.queue) == ("failed", "21211", "no such number", None)
        time.passes(1000)
        local.drain()
        assert len(local.provider.attempts) == 1

    def test_a_provider_that_says_opted_out_is_believed_from_then_on(self, local: LocalHub) -> None:
        local.provider.plan.append(SendFailed("21610", "opted out", retryable=False, opted_out=True))
        local.converse("hello", "more")
        assert local.statuses() == ["opted_out", "opted_out"]
        assert len(local.provider.attempts) == 1
        assert [(row.sender, row.person, row.reason) for row in local.rows(OptOut)] == [(NUMBER, PERSON, "provider")]

    def test_an_error_that_went_away_is_forgotten(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(LATER)
        local.converse("hello")
        assert local.sent()[0].error == "slower, please"
        time.passes(2)
        local.drain()
        (row,) = local.sent()
        assert (row.status, row.error_code, row.error) == ("queued", None, None)


class TestParts:
    @pytest.fixture(autouse=True)
    def three_parts(self, local: LocalHub) -> None:
        local.script.reply = lambda text, turn: (f"{text} 1", f"{text} 2", f"{text} 3")

    def test_they_leave_in_order(self, local: LocalHub) -> None:
        local.converse("a", "b")
        assert local.provider.texts == ["a 1", "a 2", "a 3", "b 1", "b 2", "b 3"]

    def test_a_part_that_has_to_wait_holds_the_later_ones_and_the_sent_one_is_not_sent_again(
        self, local: LocalHub, time: Time
    ) -> None:
        local.provider.plan.extend([None, LATER, LATER])
        local.converse("a")
        local.text("b")
        for _ in range(2):
            assert local.provider.texts == ["a 1"]
            time.passes(next_attempt(local, time) + 0.01)
            local.drain()
        assert local.provider.texts == ["a 1", "a 2", "a 3", "b 1", "b 2", "b 3"]
        assert [message.text for message in local.provider.attempts].count("a 1") == 1

    def test_a_part_that_will_never_be_accepted_does_not_hold_the_others(self, local: LocalHub) -> None:
        local.provider.plan.extend([None, NEVER])
        local.converse("a")
        assert local.provider.texts == ["a 1", "a 3"]
        assert local.statuses() == ["queued", "failed", "queued"]

    def test_a_worker_that_dies_between_two_parts_leaves_the_rest_to_the_next_one(
        self, local: LocalHub, time: Time
    ) -> None:
        local.provider.plan.extend([None, KeyboardInterrupt("killed")])
        local.text("a")
        with pytest.raises(KeyboardInterrupt):
            local.drain()
        time.passes(31)
        with local.other() as other:
            other.drain()
        assert local.provider.texts == ["a 1", "a 2", "a 3"]


class TestUnknownOutcome:
    def test_the_providers_list_is_asked_before_anything_is_sent_again(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(UNKNOWN)
        began = time.now
        local.converse("hello")
        (row,) = local.sent()
        assert (row.status, row.queue) == ("sending", "outbox")
        local.provider.listing = Sent("P-found", "delivered")
        time.passes(2)
        local.drain()
        (row,) = local.sent()
        assert (row.status, row.provider_id, row.queue) == ("delivered", "P-found", None)
        assert len(local.provider.attempts) == 1
        assert local.provider.searches == [(row.id, began, frozenset())]

    def test_a_message_the_provider_does_not_have_is_sent_again(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(UNKNOWN)
        local.converse("hello")
        time.passes(2)
        local.drain()
        assert len(local.provider.searches) == 1
        assert local.provider.texts == ["echo hello"]
        assert local.statuses() == ["queued"]

    def test_nothing_is_sent_while_the_list_cannot_be_read(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(UNKNOWN)
        local.provider.listing = SendFailed("list", "cannot be read", retryable=True, unknown=True)
        local.converse("hello")
        for _ in range(3):
            time.passes(next_attempt(local, time) + 0.01)
            local.drain()
            assert local.statuses() == ["sending"]
        assert len(local.provider.attempts) == 1
        local.provider.listing = Sent("P-found")
        time.passes(next_attempt(local, time) + 0.01)
        local.drain()
        assert local.sent()[0].provider_id == "P-found"
        assert len(local.provider.attempts) == 1

    def test_once_unknown_every_later_attempt_asks_first(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.extend([UNKNOWN, LATER, LATER])
        local.converse("hello")
        for _ in range(3):
            time.passes(next_attempt(local, time) + 0.01)
            local.drain()
        assert len(local.provider.searches) == 3
        assert local.provider.texts == ["echo hello"]

    def test_the_list_is_asked_with_the_time_of_the_first_attempt_and_the_ids_of_other_messages(
        self, local: LocalHub, time: Time
    ) -> None:
        local.provider.plan.append(Sent("P-other"))
        local.converse("hello")
        local.provider.plan.extend([UNKNOWN, UNKNOWN])
        first = time.now
        local.converse("hello")
        for _ in range(2):
            time.passes(next_attempt(local, time) + 0.01)
            local.drain()
        assert [(since, known) for _, since, known in local.provider.searches] == [(first, {"P-other"})] * 2

    def test_a_channel_that_raises_anything_else_leaves_the_outcome_unknown(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.append(ZeroDivisionError("a bug of the plugin"))
        with capture_logs() as logs:
            local.converse("hello")
        assert "channel_failed" in [line["event"] for line in logs]
        assert local.statuses() == ["sending"]
        local.provider.listing = Sent("P-found")
        time.passes(2)
        local.drain()
        assert len(local.provider.attempts) == 1

    def test_a_message_that_was_accepted_but_not_noted_is_found_and_not_sent_again(
        self, local: LocalHub, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = local.hub.store.write

        def broken_after_sending(job: Any) -> Any:
            if local.provider.accepted:
                raise RuntimeError("the database went away")
            return write(job)

        with monkeypatch.context() as patch:
            patch.setattr(local.hub.store, "write", broken_after_sending)
            local.text()
            local.drain()
        assert local.statuses() == ["sending"]
        local.provider.listing = Sent("P-found")
        time.passes(31)
        local.drain()
        assert local.provider.texts == ["echo hello"]
        assert local.sent()[0].provider_id == "P-found"

    def test_attempts_are_bounded_for_unknown_outcomes_too(self, local: LocalHub, time: Time) -> None:
        local.provider.plan.extend([UNKNOWN] * 20)
        local.text()
        for _ in range(20):
            local.drain()
            time.passes(120)
        assert len(local.provider.attempts) == ATTEMPTS
        assert local.statuses() == ["failed"]


class TestLoopGuard:
    def test_more_messages_than_allowed_within_a_minute_are_kept_but_not_sent(
        self, local: LocalHub, time: Time
    ) -> None:
        local.configure(replies_per_minute=3)
        local.converse("1", "2", "3", "4")
        assert local.statuses() == ["queued"] * 3 + ["suppressed"]
        assert local.provider.texts == ["echo 1", "echo 2", "echo 3"]
        time.passes(61)
        local.converse("5")
        assert local.provider.texts[-1] == "echo 5"

    def test_parts_beyond_the_allowance_are_kept_back(self, local: LocalHub) -> None:
        local.configure(replies_per_minute=2)
        local.script.reply = lambda text, turn: ("one", "two", "three")
        local.converse("hello")
        assert local.statuses() == ["queued", "queued", "suppressed"]

    def test_messages_kept_back_do_not_count(self, local: LocalHub, time: Time) -> None:
        local.configure(replies_per_minute=1)
        local.converse("1")
        time.passes(40)
        local.converse("2")
        time.passes(30)
        local.converse("3")
        assert local.statuses() == ["queued", "suppressed", "queued"]

    def test_every_person_has_an_allowance_of_their_own(self, local: LocalHub) -> None:
        local.configure(replies_per_minute=1)
        local.converse("1")
        local.converse("1", person="+15550000003")
        assert local.statuses() == ["queued", "queued"]

    def test_the_same_answer_to_the_same_text_is_sent_five_times_in_a_row(self, local: LocalHub) -> None:
        local.converse(*["ping"] * 7, "pong", "ping")
        assert SAME_ANSWERS == 5
        assert local.provider.texts == ["echo ping"] * 5 + ["echo pong", "echo ping"]
        assert local.statuses() == ["queued"] * 5 + ["suppressed"] * 2 + ["queued"] * 2

    def test_different_answers_to_the_same_text_are_no_loop(self, local: LocalHub) -> None:
        numbers = iter(range(10))
        local.script.reply = lambda text, turn: f"number {next(numbers)}"
        local.converse(*["next"] * 7)
        assert local.statuses() == ["queued"] * 7


class TestFailureMessage:
    @pytest.fixture(autouse=True)
    def no_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hub.turn.ASK_AGAIN_SECONDS", 0)

    @pytest.mark.parametrize(
        ("error", "asked"),
        [
            (AssistantFailed("500", "broken", retryable=True), 2),
            (AssistantFailed("400", "refused", retryable=False), 1),
            (ZeroDivisionError("a bug of the plugin"), 2),
        ],
    )
    def test_it_is_sent_when_the_assistant_does_not_answer(self, local: LocalHub, error: Exception, asked: int) -> None:
        local.script.reply = lambda text, turn: error
        local.converse("hello")
        assert len(local.script.inputs) == asked
        assert local.provider.texts == [DEFAULT_FAILURE_MESSAGE]
        assert local.rows(Turn)[0].state == "failed"

    def test_a_second_try_that_succeeds_is_the_answer(self, local: LocalHub) -> None:
        outcomes = iter([AssistantFailed("503", "busy", retryable=True), "here I am"])
        local.script.reply = lambda text, turn: next(outcomes)
        local.converse("hello")
        assert local.provider.texts == ["here I am"]

    @pytest.mark.parametrize("response", [{}, {"output": {"generic": "no"}}, {"output": {"generic": ["no"]}}, []])
    def test_an_answer_of_the_wrong_form_is_no_answer(self, local: LocalHub, response: Any) -> None:
        local.configure(failure_message="F!")
        local.script.reply = lambda text, turn: Answer(response)
        local.converse("hello")
        assert local.provider.texts == ["F!"]

    def test_an_answer_without_messages_sends_nothing(self, local: LocalHub) -> None:
        local.script.reply = lambda text, turn: Answer({"output": {"generic": []}})
        local.converse("hello")
        assert local.rows(Message, Message.direction == "outbound") == []
        assert local.rows(Turn)[0].state == "rendered"
