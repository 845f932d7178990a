"""Leaving: messages wait here until the provider has accepted them, in order, each once.

Before an attempt the message is committed as ``sending``; a message found in that state was attempted by somebody who
did not live to note the outcome, so the provider's list is asked before anything is sent again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, case, exists, func, select, update

from hub import clock
from hub.channels import RANK, Sent, Status, TextChannel, TextMessage
from hub.characters import encodable
from hub.directory import BoundIntegration
from hub.errors import SendFailed
from hub.ids import uuid7, uuid7_floor
from hub.inbox import Inbox, note_failure
from hub.log import get_logger
from hub.metrics import GUARD, SENDS
from hub.numbers import mask
from hub.rendering.segments import measure
from hub.rendering.text import Part
from hub.store import Store
from hub.store.models import Message, OptOut
from hub.store.prepared import Prepared

ATTEMPTS = 8
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
GUARD_SECONDS = 60
SAME_ANSWERS = 5
"""The same answer to the same input this many times in a row; further ones are kept back."""

COLUMNS = (
    Message.id, Message.integration_id, Message.sender, Message.recipient, Message.text, Message.media, Message.status,
    Message.attempts, Message.attempted_at, Message.next_attempt_at, Message.correlation, Message.created_at,
)  # fmt: skip
_ATTEMPT = Prepared(
    update(Message)
    .where(Message.id == bindparam("message"))
    .values(
        status="sending",
        attempts=Message.attempts + 1,
        attempted_at=func.coalesce(Message.attempted_at, bindparam("now")),
    )
)
_ACCEPTED = Prepared(
    update(Message)
    .where(Message.id == bindparam("message"))
    .values(
        queue=None,
        provider_id=bindparam("provider"),
        # A callback may have come before the answer to the request; what it said is further on.
        status=case((Message.rank < bindparam("new_rank"), bindparam("new_status")), else_=Message.status),
        rank=case((Message.rank < bindparam("new_rank"), bindparam("new_rank")), else_=Message.rank),
        segments=func.coalesce(bindparam("counted"), Message.segments),
        error_code=case((Message.rank < bindparam("new_rank"), None), else_=Message.error_code),
        error=None,
    )
)
_HELD_BACK = Prepared(
    select(
        exists(
            select(OptOut.id).where(OptOut.sender == bindparam("sender"), OptOut.person == bindparam("person"))
        ).label("opted_out"),
        select(func.count())
        .where(
            Message.lane_id == bindparam("lane"),
            Message.id > bindparam("since"),
            Message.direction == "outbound",
            Message.status != "suppressed",
            Message.status != "opted_out",
        )
        .scalar_subquery()
        .label("recent"),
    )
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt that is due: the message is committed as ``sending`` already.

    :param unsure: an earlier attempt's outcome is not known.
    """

    id: UUID
    integration_id: UUID
    lane: UUID
    message: TextMessage
    unsure: bool
    attempts: int
    since: datetime
    correlation: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt, ready to be noted in one commit."""

    delivery: Delivery
    sent: Sent | None
    error: SendFailed | None


class Outbox:
    """Puts messages in, and takes them out one attempt at a time."""

    def __init__(self, store: Store, inbox: Inbox) -> None:
        self._store = store
        self._inbox = inbox
        self._insert = Prepared(store.insert(Message))

    def put(
        self,
        connection: Connection,
        bound: BoundIntegration,
        lane: UUID,
        *,
        turn: UUID | None,
        sender: str,
        person: str,
        parts: Sequence[Part],
        correlation: str,
        repeated: bool = False,
        at_once: bool = False,
    ) -> Delivery | None:
        """Commit `parts` to be sent in this order, or kept back because of an opt-out or the loop guard.

        :param repeated: the loop guard saw the same answer to the same input too often.
        :param at_once: the holder of the lane sends the first part itself, now; that attempt is returned.
        """
        if not parts:
            return None
        consent_sender = _text_channel(bound).opt_out_sender(sender)
        seen = _HELD_BACK.first(
            connection,
            {
                "sender": consent_sender,
                "person": person,
                "lane": lane,
                "since": uuid7_floor(clock.now() - timedelta(seconds=GUARD_SECONDS)),
            },
        )
        allowance = bound.options.replies_per_minute - seen.recent
        delivery = None
        for position, part in enumerate(parts):
            status: Status = "pending"
            reason = None
            if seen.opted_out:
                status, reason = "opted_out", "the person has opted out"
            elif repeated or position >= allowance:
                rule = "repeated_answer" if repeated else "replies_per_minute"
                status, reason = "suppressed", f"kept back by the loop guard: {rule}"
                GUARD.labels(rule).inc()
                get_logger().warning(
                    "loop_guard", rule=rule, integration=bound.name, person=mask(person), correlation=correlation
                )
            row = _row(bound, lane, turn, sender, person, part, status, reason, correlation)
            if at_once and position == 0 and status == "pending":
                row.update(status="sending", attempts=1, attempted_at=row["created_at"])
                delivery = _first_attempt(row)
            self._insert.run(connection, row)
        return delivery

    def attempt(self, connection: Connection, lane: UUID, row: Any) -> Delivery:
        """Commit that an attempt of the message `row` begins now."""
        now = clock.now()
        _ATTEMPT.run(connection, {"message": row.id, "now": now})
        return Delivery(
            id=row.id,
            integration_id=row.integration_id,
            lane=lane,
            message=TextMessage(row.id, row.sender, row.recipient, row.text, "", tuple(row.media)),
            unsure=row.status == "sending",
            attempts=row.attempts + 1,
            since=row.attempted_at or now,
            correlation=row.correlation,
            created_at=row.created_at,
        )

    def deliver(self, bound: BoundIntegration, delivery: Delivery) -> Outcome:
        """Make one attempt; calls the provider, so never inside a transaction."""
        try:
            channel = _text_channel(bound)
            message = _addressed(delivery.message, bound)
            if delivery.unsure:
                found = channel.find_sent(message, delivery.since, self._known(delivery))
                if found is not None:
                    return Outcome(delivery, found, None)
            return Outcome(delivery, channel.send(message), None)
        except SendFailed as error:
            return Outcome(delivery, None, error)
        except (Exception, SystemExit) as error:
            get_logger().error(
                "channel_failed", channel=bound.channel_name, correlation=delivery.correlation, exc_info=True
            )
            return Outcome(
                delivery,
                None,
                SendFailed("channel", f"the channel raised {type(error).__name__}", retryable=True, unknown=True),
            )

    def note(self, connection: Connection, bound: BoundIntegration, outcome: Outcome) -> None:
        """Commit what became of an attempt."""
        delivery, sent, error = outcome.delivery, outcome.sent, outcome.error
        if sent is not None:
            _ACCEPTED.run(
                connection,
                {
                    "message": delivery.id,
                    "provider": sent.provider_id,
                    "new_status": sent.status,
                    "new_rank": RANK[sent.status],
                    "counted": sent.segments,
                },
            )
            return
        assert error is not None
        change = update(Message).where(Message.id == delivery.id, Message.queue == "outbox")
        code, sentence = encodable(error.code), encodable(str(error))[:500]
        seen: dict[str, Any] = {"error_code": code, "error": sentence}
        if error.opted_out:
            sender = _text_channel(bound).opt_out_sender(delivery.message.sender)
            self._inbox.opt_out(connection, sender, delivery.message.recipient, "provider")
            connection.execute(change.values(queue=None, status="opted_out", rank=RANK["opted_out"], **seen))
        elif error.retryable and delivery.attempts < ATTEMPTS:
            # An outcome that is not known stays "sending", so that the next attempt asks first.
            status = "sending" if error.unknown or delivery.unsure else "pending"
            connection.execute(
                change.values(status=status, next_attempt_at=clock.after(_pause(delivery, error)), **seen)
            )
        else:
            # When nobody knows, a later report of the provider is worth more than our guess.
            rank = 0 if error.unknown or delivery.unsure else RANK["failed"]
            if connection.execute(change.values(queue=None, status="failed", rank=rank, **seen)).rowcount:
                note_failure(connection, delivery.lane, code, sentence)

    def count(self, bound: BoundIntegration, outcome: Outcome) -> None:
        """Log and count an outcome once it is committed."""
        delivery, error = outcome.delivery, outcome.error
        log = get_logger().bind(
            integration=bound.name,
            message=str(delivery.id),
            correlation=delivery.correlation,
            to=mask(delivery.message.recipient),
            attempt=delivery.attempts,
        )
        if outcome.sent is not None:
            SENDS.labels(bound.channel_name, "accepted", "").inc()
            log.info("message_sent", provider_id=outcome.sent.provider_id)
            return
        assert error is not None
        again = error.retryable and delivery.attempts < ATTEMPTS and not error.opted_out
        SENDS.labels(bound.channel_name, "retry" if again else "failed", error.code).inc()
        log.warning("message_not_sent", code=error.code, reason=str(error)[:300], again=again)

    def _known(self, delivery: Delivery) -> frozenset[str]:
        """Provider ids of this lane's other messages, which the provider's list will show too."""
        with self._store.read() as connection:
            found = connection.execute(
                select(Message.provider_id).where(
                    Message.lane_id == delivery.lane,
                    Message.direction == "outbound",
                    Message.provider_id.is_not(None),
                    Message.id > uuid7_floor(delivery.since - timedelta(hours=1)),
                )
            )
            return frozenset(str(provider_id) for provider_id in found.scalars())


def _row(
    bound: BoundIntegration,
    lane: UUID,
    turn: UUID | None,
    sender: str,
    person: str,
    part: Part,
    status: Status,
    reason: str | None,
    correlation: str,
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "created_at": clock.now(),
        "integration_id": bound.id,
        "lane_id": lane,
        "turn_id": turn,
        "direction": "outbound",
        "provider_id": None,
        "sender": sender,
        "recipient": person,
        "text": part.text,
        "media": list(part.media),
        "segments": measure(part.text).segments,
        "status": status,
        "rank": RANK[status],
        "error_code": None,
        "error": reason,
        "queue": "outbox" if status == "pending" else None,
        "attempts": 0,
        "attempted_at": None,
        "next_attempt_at": None,
        "raw": None,
        "correlation": correlation,
    }


def _first_attempt(row: dict[str, Any]) -> Delivery:
    return Delivery(
        id=row["id"],
        integration_id=row["integration_id"],
        lane=row["lane_id"],
        message=TextMessage(row["id"], row["sender"], row["recipient"], row["text"], "", tuple(row["media"])),
        unsure=False,
        attempts=1,
        since=row["created_at"],
        correlation=row["correlation"],
        created_at=row["created_at"],
    )


def _text_channel(bound: BoundIntegration) -> TextChannel:
    if not isinstance(bound.channel, TextChannel):
        reason = bound.error or "it is not a text channel"
        raise SendFailed("integration", f"integration {bound.name} cannot send: {reason}", retryable=True)
    return bound.channel


def _addressed(message: TextMessage, bound: BoundIntegration) -> TextMessage:
    """`message` with the whole address for its delivery reports, which carries our id of it."""
    channel = _text_channel(bound)
    return replace(message, status_url=f"{channel.integration.url('status')}?message={message.id}")


def _pause(delivery: Delivery, error: SendFailed) -> float:
    """Seconds until the next attempt: about 1, doubling, with jitter, at most 60, or what the provider asked for."""
    backoff = FIRST_RETRY_SECONDS * 2.0 ** (delivery.attempts - 1) * random.uniform(0.8, 1.2)
    return max(min(LONGEST_RETRY_SECONDS, backoff), error.retry_after or 0.0)
