"""What happens to a message after Twilio took it: media are fetched, statuses change, callbacks tell so.

Source: Twilio, "Outbound message status in status callbacks".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urljoin

from hub_simulator.behaviour import BehaviourBox
from hub_simulator.exchange import ExchangeError, Patience, exchange
from hub_simulator.messages import Media, Message, Store, new_sid, now
from hub_simulator.mms import ACCEPTED, MESSAGE_LIMIT, carrier_refuses
from hub_simulator.scheduler import Scheduler
from hub_simulator.settings import Settings
from hub_simulator.webhooks import MAX_REDIRECTS, REDIRECTS, Sender

MEDIA_LIMIT = MESSAGE_LIMIT
MEDIA_PATIENCE = 10.0

Step = tuple[str, int | None]
"""A status and its error code."""


class MediaError(Exception):
    """A MediaUrl gives nothing that can be sent."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Delivery:
    """Carries messages from `queued` to their end."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        behaviour: BehaviourBox,
        scheduler: Scheduler,
        sender: Sender,
        report: Callable[[int, str, str], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._behaviour = behaviour
        self._scheduler = scheduler
        self._sender = sender
        self._report = report

    def start(self, message: Message, after: float = 0) -> None:
        """Begin the way of a message that was just created."""
        delay = after or self._behaviour.current.callbacks.delay
        self._scheduler.after(delay, lambda: self._begin(message.sid))

    def send_status(self, message: Message) -> None:
        """Tell the status callback about the message's present status."""
        if not message.status_callback:
            return
        for _ in range(self._behaviour.copies()):
            outcome = self._sender.send("status", message.status_callback, self._params(message))
            self._store.extend_attempts(message.sid, outcome.attempts)
            if outcome.code:
                self._report(outcome.code, message.sid, outcome.url)

    def _begin(self, sid: str) -> None:
        message = self._store.get(sid)
        if message is None or message.status == "canceled":
            return
        steps: list[Step] = []
        if message.status in ("accepted", "scheduled"):
            message = self._choose_sender(message)
            steps.append(("queued", None))
        failure = self._fetch_media(message)
        message = self._store.get(sid) or message
        steps += [("sending", None)] if failure else [("sending", None), ("sent", None)]
        steps.append(self._end(message, failure))
        if self._behaviour.current.callbacks.disorder:
            self._all_at_once(sid, steps)
        else:
            self._next(sid, steps)

    def _next(self, sid: str, steps: list[Step]) -> None:
        """One status and its callback; the next follows when that was answered, so that the order is certain."""
        message = self._enter(sid, steps[0])
        if message is None:
            return
        self.send_status(message)
        if steps[1:]:
            delay = self._behaviour.current.callbacks.delay
            self._scheduler.after(delay, lambda: self._next(sid, steps[1:]))

    def _all_at_once(self, sid: str, steps: list[Step]) -> None:
        """Callbacks are requests of their own and may overtake one another: here the last comes first."""
        reached = [self._enter(sid, step) for step in steps]
        for message in reversed(reached):
            if message is not None:
                self.send_status(message)

    def _enter(self, sid: str, step: Step) -> Message | None:
        status, code = step
        fields = {"sent": now()} if status in ("sending", "sent") else {}
        return self._store.change(sid, status=status, error_code=code, **fields)

    def _end(self, message: Message, failure: int | None) -> Step:
        if failure:
            return "undelivered", failure
        if carrier_refuses(message.media):
            return "undelivered", 30019
        final = self._behaviour.final(message.to, message.from_ or "", message.body)
        if final is None:
            return "delivered", None
        code = final.code or 30008 if final.status in ("undelivered", "failed") else None
        return final.status, code

    def _choose_sender(self, message: Message) -> Message:
        """A service keeps to the number a person already knows, else takes its first (Twilio: sticky sender)."""
        pool = self._settings.services.get(message.service or "", ())
        known = [m.number for m in self._store.all() if m.person == message.to and m.number in pool]
        sender = message.from_ or (known[-1] if known else pool[0])
        return self._store.change(message.sid, from_=sender) or message

    def _fetch_media(self, message: Message) -> int | None:
        """Fetch each MediaUrl as Twilio does, HEAD and GET; the error code if one cannot be had."""
        fetched: list[Media] = []
        left = MEDIA_LIMIT
        for url in message.media_urls:
            try:
                content_type, data = _download(url, left)
                left -= len(data)
            except MediaError as error:
                self._report(error.code, message.sid, f"{url}: {error}")
                return error.code
            fetched.append(Media(new_sid("ME"), content_type, data, now(), source=url))
        if fetched:
            self._store.change(message.sid, media=tuple(fetched))
        return None

    def _params(self, message: Message) -> dict[str, str]:
        """The fields of a status callback."""
        params = {
            "ApiVersion": "2010-04-01",
            "AccountSid": self._settings.account_sid,
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": message.status,
            "SmsStatus": message.status,
            "To": message.to,
            "From": message.from_ or "",
        }
        if message.service:
            params["MessagingServiceSid"] = message.service
        if message.error_code:
            params["ErrorCode"] = str(message.error_code)
        if message.status in ("delivered", "undelivered"):
            params["RawDlrDoneDate"] = message.updated.strftime("%y%m%d%H%M")
        return params


def _download(url: str, limit: int) -> tuple[str, bytes]:
    """Content type and at most `limit` bytes behind a MediaUrl; redirects are followed, as media links often are."""
    patience = Patience(MEDIA_PATIENCE, MEDIA_PATIENCE, time.monotonic() + MEDIA_PATIENCE)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            exchange("HEAD", url, {}, None, patience, 0)
            answer = exchange("GET", url, {}, None, patience, limit)
            location = answer.headers.get("location", "")
            if answer.status not in REDIRECTS or not location:
                break
            url = urljoin(url, location).partition("#")[0]
    except ExchangeError as error:
        raise MediaError(63019, str(error)) from None
    if answer.status != 200:
        raise MediaError(63019, f"HTTP {answer.status}")
    if answer.too_long:
        raise MediaError(11751, f"more than {MEDIA_LIMIT} bytes in all")
    if answer.content_type not in ACCEPTED:
        raise MediaError(12300, answer.content_type or "no Content-Type")
    return answer.content_type, answer.body
