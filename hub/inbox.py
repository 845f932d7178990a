"""Accepting what a provider delivers: committed before the provider is answered, a repeat processed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from hub import clock
from hub.channels import RANK, DeliveryReport, InboundText, Received
from hub.directory import BoundIntegration
from hub.ids import uuid7
from hub.log import get_logger
from hub.store import Store
from hub.store.models import Lane, Message, MessageEvent, OptOut, Session
from hub.store.prepared import Prepared

KNOWN_LANES = 50_000

_LANE_OF = Prepared(
    select(Lane.id).where(
        Lane.assistant_id == bindparam("assistant"), Lane.line == bindparam("line"), Lane.person == bindparam("person")
    )
)
_LIVE_SESSION = Prepared(
    select(Session.id)
    .join(Lane, Lane.session_id == Session.id)
    .where(Lane.id == bindparam("lane"), Session.expires_at > bindparam("now"))
)
_OURS = select(
    Message.id, Message.lane_id, Message.sender, Message.recipient, Message.correlation, Message.provider_id
).where(Message.integration_id == bindparam("integration"), Message.direction == "outbound")
_BY_ID = Prepared(_OURS.where(Message.id == bindparam("message")))
_BY_PROVIDER_ID = Prepared(_OURS.where(Message.provider_id == bindparam("provider")))
_FORWARD = Prepared(
    update(Message)
    .where(Message.id == bindparam("message"), Message.rank < bindparam("new_rank"))
    .values(
        status=bindparam("new_status"),
        rank=bindparam("new_rank"),
        error_code=bindparam("code"),
        # A report on a message whose attempt was never noted proves that the provider has it.
        provider_id=func.coalesce(Message.provider_id, bindparam("provider")),
        queue=None,
    )
)


class Inbox:
    """Stores inbound texts and delivery reports.

    :param store: where to.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lanes: dict[tuple[UUID, str, str], UUID] = {}
        self._insert_message = Prepared(store.insert(Message).on_conflict_do_nothing())
        self._insert_lane = store.insert(Lane).on_conflict_do_nothing()
        self._insert_opt_out = store.insert(OptOut).on_conflict_do_nothing()
        self._insert_event = Prepared(store.insert(MessageEvent))

    def accept(self, bound: BoundIntegration, received: Received, correlation: str) -> tuple[list[UUID], list[str]]:
        """Commit everything one webhook request brought.

        :returns: the lanes that now have work, and one word per text and report for the metrics: ``accepted``,
            ``repeated``, ``stray`` (no conversation is going on and the integration starts none), ``keyword``,
            ``report``.
        """
        if not received.texts and not received.reports:
            return [], []
        texts = [(text, uuid7()) for text in received.texts]
        events = [(report, uuid7()) for report in received.reports]
        about: dict[UUID, str] = {}

        def job(connection: Connection) -> tuple[list[UUID], list[str]]:
            lanes: list[UUID] = []
            results: list[str] = []
            for text, identifier in texts:
                lane, result = self._accept_text(connection, bound, text, identifier, correlation)
                results.append(result)
                if result == "accepted":
                    lanes.append(lane)
            for report, identifier in events:
                about[identifier] = self._accept_report(connection, bound, report, identifier)
                results.append("report")
            return lanes, results

        try:
            accepted = self._store.write(job)
        except IntegrityError:
            # A remembered lane was purged by another process meanwhile.
            self._lanes.clear()
            accepted = self._store.write(job)
        for report, identifier in events:
            get_logger().info(
                "message_reported",
                integration=bound.name,
                provider_id=report.provider_id,
                status=report.status,
                code=report.error_code,
                correlation=about[identifier],
            )
        return accepted

    def lane(self, connection: Connection, assistant: UUID, line: str, person: str) -> UUID:
        """The lane of (assistant, line, person), made when it is the first time."""
        key = (assistant, line, person)
        known = self._lanes.get(key)
        if known is not None:
            return known
        names = {"assistant": assistant, "line": line, "person": person}
        row = _LANE_OF.first(connection, names)
        if row is None:
            connection.execute(
                self._insert_lane,
                {"id": uuid7(), "created_at": clock.now(), "assistant_id": assistant, "line": line, "person": person},
            )
            row = _LANE_OF.first(connection, names)
        else:
            # Only rows that were there before this transaction are remembered: this one may still be rolled back.
            if len(self._lanes) >= KNOWN_LANES:
                self._lanes.clear()
            self._lanes[key] = row.id
        lane: UUID = row.id
        return lane

    def _accept_text(
        self, connection: Connection, bound: BoundIntegration, text: InboundText, identifier: UUID, correlation: str
    ) -> tuple[UUID, str]:
        lane = self.lane(connection, bound.assistant.id, bound.line or text.recipient, text.sender)
        result = "accepted"
        queue: str | None = "inbox"
        if text.opt_out is not None:
            result, queue = "keyword", None
        elif not bound.options.initiate_from_inbound and not self._conversing(connection, lane):
            result, queue = "stray", None
        row: dict[str, Any] = {
            "id": identifier,
            "created_at": clock.now(),
            "integration_id": bound.id,
            "lane_id": lane,
            "turn_id": None,
            "direction": "inbound",
            "provider_id": text.provider_id,
            "sender": text.sender,
            "recipient": text.recipient,
            "text": text.text.replace("\0", ""),
            "media": [{"url": media.url, "media_type": media.media_type} for media in text.media],
            "segments": text.segments,
            "status": "received",
            "rank": 0,
            "error_code": None,
            "error": None,
            "queue": queue,
            "attempts": 0,
            "attempted_at": None,
            "next_attempt_at": None,
            "raw": dict(text.raw),
            "correlation": correlation,
        }
        if self._insert_message.run(connection, row) == 0:
            return lane, "repeated"
        if text.opt_out is not None:
            self._consent(connection, text, lane)
        return lane, result

    def _conversing(self, connection: Connection, lane: UUID) -> bool:
        return _LIVE_SESSION.first(connection, {"lane": lane, "now": clock.now()}) is not None

    def _consent(self, connection: Connection, text: InboundText, lane: UUID) -> None:
        if text.opt_out == "stop":
            self.opt_out(connection, text.opt_out_sender, text.sender, "keyword")
            connection.execute(
                update(Message)
                .where(Message.lane_id == lane, Message.queue == "outbox", Message.status == "pending")
                .values(queue=None, status="opted_out", rank=RANK["opted_out"], error="the person has opted out")
            )
        elif text.opt_out == "start":
            connection.execute(delete(OptOut).where(OptOut.sender == text.opt_out_sender, OptOut.person == text.sender))

    def opt_out(self, connection: Connection, sender: str, person: str, reason: str) -> None:
        """Note that `person` wants nothing more from `sender` (our number or service)."""
        connection.execute(
            self._insert_opt_out,
            {"id": uuid7(), "created_at": clock.now(), "sender": sender, "person": person, "reason": reason},
        )

    def _accept_report(
        self, connection: Connection, bound: BoundIntegration, report: DeliveryReport, identifier: UUID
    ) -> str:
        """Keep the event and move its message forward; returns the correlation id of the message."""
        message = _reported_message(connection, bound.id, report)
        self._insert_event.run(
            connection,
            {
                "id": identifier,
                "created_at": clock.now(),
                "integration_id": bound.id,
                "message_id": message.id if message else None,
                "provider_id": report.provider_id,
                "status": report.status,
                "error_code": report.error_code,
                "raw": dict(report.raw),
            },
        )
        if message is None:
            return ""
        failed = report.status in ("failed", "undelivered")
        if failed:  # the lane first, as its worker does
            connection.execute(select(Lane.id).where(Lane.id == message.lane_id).with_for_update())
        moved = _FORWARD.run(
            connection,
            {
                "message": message.id,
                "new_rank": RANK[report.status],
                "new_status": report.status,
                "code": report.error_code,
                "provider": report.provider_id,
            },
        )
        if failed and moved:
            note_failure(connection, message.lane_id, report.error_code or report.status, f"reported {report.status}")
        if report.opted_out:
            self.opt_out(connection, report.opt_out_sender or message.sender, message.recipient, "provider")
        return str(message.correlation)


def note_failure(connection: Connection, lane: UUID, code: str, sentence: str) -> None:
    """Note that a message did not reach the person; the next turn tells the assistant (``smsError``)."""
    connection.execute(
        update(Lane).where(Lane.id == lane).values(send_error={"code": code, "message": sentence[:500]})
    )


def _reported_message(connection: Connection, integration: UUID, report: DeliveryReport) -> Any:
    """The message a report is about; a report may overtake our own note of the provider's id.

    The callback address carries our id, so the provider's id is only needed for messages sent before that.
    """
    ours = None
    if report.message_id is not None:
        ours = _BY_ID.first(connection, {"integration": integration, "message": report.message_id})
        if ours is None or ours.provider_id is not None:
            return ours
    # A message has one provider id, so a report that names two messages is about the one that is known to have it.
    return _BY_PROVIDER_ID.first(connection, {"integration": integration, "provider": report.provider_id}) or ours


def reports_of(connection: Connection, message: UUID) -> Sequence[Any]:
    """Every report on a message, in the order they came."""
    return connection.execute(
        select(MessageEvent.status, MessageEvent.error_code, MessageEvent.created_at)
        .where(MessageEvent.message_id == message)
        .order_by(MessageEvent.id)
    ).all()
