"""The simulated account: everything that is not HTTP, in one object."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from hub_simulator import segments
from hub_simulator.behaviour import BehaviourBox
from hub_simulator.create import MAX_BODY, MAX_MEDIA, Checker, Draft, normal_number
from hub_simulator.delivery import Delivery
from hub_simulator.errors import ApiError, meaning
from hub_simulator.inbound import Inbound, Line
from hub_simulator.messages import FINAL, Media, Message, Origin, Store, new_sid, now
from hub_simulator.optout import BlockList, Reaction
from hub_simulator.scheduler import Scheduler
from hub_simulator.settings import Settings
from hub_simulator.twiml import Reply, TwimlError
from hub_simulator.webhooks import Sender

DEBUGGER_SIZE = 1000


class TextError(ValueError):
    """A person's text cannot be sent as asked; the sentence says why."""


@dataclass(frozen=True)
class Alert:
    """One line of Twilio's debugger: something the account's owner should repair."""

    at: datetime
    code: int
    sid: str
    detail: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"at": self.at.isoformat(), "message": meaning(self.code)}


class Simulator:
    """One account with its numbers, messages and misbehaviour."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.max_messages, settings.max_media_bytes)
        self.behaviour = BehaviourBox()
        self.scheduler = Scheduler()
        self.blocks = BlockList()
        self.debugger: deque[Alert] = deque(maxlen=DEBUGGER_SIZE)
        self.lines = {number: self._line(number) for number in settings.numbers}
        self._checker = Checker(settings, self.blocks.blocks)
        self._sender = Sender(settings, self.behaviour)
        self._resend = threading.Lock()
        self.delivery = Delivery(settings, self.store, self.behaviour, self.scheduler, self._sender, self.report)
        self.inbound = Inbound(settings, self.store, self.behaviour, self._sender, self.report, self.reply)

    def close(self) -> None:
        """Stop everything that is under way."""
        self.scheduler.close()
        self.store.release()

    def report(self, code: int, sid: str, detail: str) -> None:
        """Write to the debugger."""
        self.debugger.append(Alert(now(), code, sid, detail))

    def configure(
        self, number: str, message_url: str | None = None, fallback_url: str | None = None, method: str | None = None
    ) -> Line:
        """Change where the texts to a number go."""
        line = self.lines[number]
        given = {"message_url": message_url, "fallback_url": fallback_url, "method": method}
        self.lines[number] = replace(line, **{key: value for key, value in given.items() if value is not None})
        return self.lines[number]

    def create(self, form: MultiDict[str, str]) -> Message:
        """A message through the REST API."""
        draft = self._checker.check(form, now())
        status = "scheduled" if draft.send_at else "queued" if draft.from_ else "accepted"
        message = self._outbound(draft, "api", status)
        wait = (draft.send_at - message.created).total_seconds() if draft.send_at else 0
        self.delivery.start(message, wait)
        return message

    def reply(self, cause: Message, reply: Reply) -> Message:
        """A message that the TwiML answer to a text asks for."""
        to = normal_number(reply.to or cause.person)
        from_ = reply.from_ or cause.number
        if to is None:
            raise TwimlError(14101)
        if not self._checker.owns(from_):
            raise TwimlError(14102)
        try:
            self._checker.check_opt_out(to, from_, cause.service)
        except ApiError as error:
            raise TwimlError(error.code) from None
        callback = reply.status_callback or reply.action
        draft = Draft(to, from_, cause.service, reply.body, reply.media_urls, callback)
        message = self._outbound(draft, "twiml", "queued")
        self.delivery.start(message)
        return message

    def cancel(self, message: Message) -> Message | None:
        """Take a scheduled message back."""
        if message.status not in ("scheduled", "accepted"):
            raise ApiError(20009, 409)
        canceled = self.store.change(message.sid, status="canceled")
        if canceled is not None:
            self.scheduler.soon(lambda: self.delivery.send_status(canceled))
        return canceled

    def delete(self, message: Message) -> None:
        """Delete a message that has come to its end."""
        if message.status not in FINAL:
            raise ApiError(20009, 409)
        self.store.delete(message.sid)

    def text(
        self,
        from_: str,
        to: str,
        body: str = "",
        media: Sequence[tuple[str, bytes]] = (),
        sid: str | None = None,
        wait: bool = True,
    ) -> Message:
        """A person texts a number. With the sid of an earlier text, Twilio delivers that one again.

        `media` are pairs of content type and bytes. With `wait` the webhook has been asked when this returns.
        """
        with self._resend:
            message = self.store.get(sid) if sid else None
            again = message is not None
            if message is not None and message.direction != "inbound":
                raise TextError(f"sid: {sid} is not a person's text")
            message = message or self._received(from_, to, body, media, sid)
        line = self.lines[message.to]
        reaction = None if again else self._react(message)
        if wait:
            self.inbound.deliver(message, line, reaction)
        else:
            self.scheduler.soon(lambda: self.inbound.deliver(message, line, reaction))
        return self.store.get(message.sid) or message

    def _received(self, from_: str, to: str, body: str, media: Sequence[tuple[str, bytes]], sid: str | None) -> Message:
        person, number = normal_number(from_), normal_number(to)
        if person is None:
            raise TextError(f"from: {from_!r} is not a phone number in E.164 form")
        if number not in self.lines:
            raise TextError(f"to: {to!r} is not a number of the simulated account")
        if not body and not media:
            raise TextError("body: neither text nor media")
        if len(body) > MAX_BODY or len(media) > MAX_MEDIA:
            raise TextError(f"body: at most {MAX_BODY} characters and {MAX_MEDIA} media")
        at = now()
        return self.store.add(
            Message(
                sid=sid or new_sid("MM" if media else "SM"),
                direction="inbound",
                origin="person",
                from_=person,
                to=number,
                body=body,
                status="received",
                created=at,
                updated=at,
                sent=at,
                service=self.settings.service_of(number),
                num_media=len(media),
                num_segments=1 if media else segments.count(body),
                media=tuple(Media(new_sid("ME"), kind, data, at) for kind, data in media),
            )
        )

    def _react(self, message: Message) -> Reaction | None:
        """Handle keywords before the webhook is asked: Twilio has blocked the pair by the time a hub hears of it."""
        reaction = self.blocks.react(message.number, message.service, message.person, message.body)
        if reaction is not None and reaction.reply:
            draft = Draft(message.person, message.number, message.service, reaction.reply)
            self._outbound(draft, "twilio", "delivered")
        return reaction

    def _outbound(self, draft: Draft, origin: Origin, status: str) -> Message:
        mms = bool(draft.media_urls) or draft.as_mms
        at = now()
        return self.store.add(
            Message(
                sid=new_sid("MM" if mms else "SM"),
                direction="outbound-api" if origin == "api" else "outbound-reply",
                origin=origin,
                from_=draft.from_,
                to=draft.to,
                body=draft.body,
                status=status,
                created=at,
                updated=at,
                service=draft.service,
                num_media=len(draft.media_urls),
                num_segments=1 if mms else segments.count(draft.body),
                media_urls=draft.media_urls,
                status_callback=draft.status_callback,
            )
        )

    def _line(self, number: str) -> Line:
        settings = self.settings
        return Line(number, settings.message_url, settings.message_method, settings.fallback_url)
