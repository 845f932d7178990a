"""A person texts one of the numbers: the webhook is asked and its answer carried out.

Sources: Twilio, "Webhook request" (parameters) and "TwiML for Programmable Messaging" (answers).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from hub_simulator.behaviour import BehaviourBox
from hub_simulator.messages import Message, Store
from hub_simulator.optout import Reaction
from hub_simulator.settings import Settings
from hub_simulator.twiml import Redirect, Reply, TwimlError, read
from hub_simulator.webhooks import Kind, Outcome, Sender

MAX_DOCUMENTS = 10
"""How many TwiML documents one message may lead through; ends redirect loops."""


@dataclass
class Line:
    """Where the texts to one number go (Twilio: IncomingPhoneNumber SmsUrl, SmsMethod, SmsFallbackUrl)."""

    number: str
    message_url: str
    method: str = "POST"
    fallback_url: str = ""


class Inbound:
    """Asks the webhook about a text and carries out what it answers."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        behaviour: BehaviourBox,
        sender: Sender,
        report: Callable[[int, str, str], None],
        send_reply: Callable[[Message, Reply], Message],
    ) -> None:
        self._settings = settings
        self._store = store
        self._behaviour = behaviour
        self._sender = sender
        self._report = report
        self._send_reply = send_reply

    def deliver(self, message: Message, line: Line, reaction: Reaction | None) -> None:
        """Call the webhook of the line for this message, the fallback if that fails."""
        if not line.message_url:
            return
        params = self._params(message, reaction)
        token = str(uuid.uuid4())
        failure, failed_url = self._converse("message", message, line.message_url, line.method, params, token)
        if failure and line.fallback_url:
            more = {"ErrorCode": str(failure), "ErrorUrl": failed_url}
            self._converse("fallback", message, line.fallback_url, line.method, params | more, token)

    def _converse(
        self, kind: Kind, message: Message, url: str, method: str, params: dict[str, str], token: str
    ) -> tuple[int | None, str]:
        """Go through the documents the webhook leads to; the error code and its URL if one cannot be used."""
        for _ in range(MAX_DOCUMENTS):
            outcome = self._sender.send(kind, url, params, method, token)
            self._store.extend_attempts(message.sid, outcome.attempts)
            try:
                following = self._carry_out(message, outcome)
            except TwimlError as error:
                self._report(error.code, message.sid, outcome.url)
                return error.code, outcome.url
            if following is None:
                return None, ""
            kind, url, method, more = following
            params = params | more
        self._report(11215, message.sid, url)
        return 11215, url

    def _carry_out(self, message: Message, outcome: Outcome) -> tuple[Kind, str, str, dict[str, str]] | None:
        """Send the replies of one answer; the document to go on with, if any."""
        if outcome.code or outcome.answer is None:
            raise TwimlError(outcome.code or 11200)
        for verb in read(outcome.answer, outcome.url):
            if isinstance(verb, Redirect):
                return "redirect", verb.url, verb.method, {}
            try:
                reply = self._send_reply(message, verb)
            except TwimlError as error:
                self._report(error.code, message.sid, outcome.url)  # one refused reply does not stop the others
                continue
            if verb.action:
                # The rest of this document is never reached, says Twilio's page on <Message>.
                return "action", verb.action, verb.method, {"MessageSid": reply.sid, "MessageStatus": reply.status}
        return None

    def _params(self, message: Message, reaction: Reaction | None) -> dict[str, str]:
        """The fields of a message webhook."""
        sid = message.sid
        places = {f"{end}{part}": "" for end in ("From", "To") for part in ("City", "State", "Zip", "Country")}
        params = {
            **places,
            "ApiVersion": "2010-04-01",
            "AccountSid": self._settings.account_sid,
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "SmsStatus": "received",
            "From": message.from_ or "",
            "To": message.to,
            "Body": message.body,
            "NumSegments": str(message.num_segments),
            "NumMedia": str(len(message.media)),
        }
        if message.service:
            params["MessagingServiceSid"] = message.service
        if reaction is not None and self._behaviour.current.opt_out.advanced:
            params["OptOutType"] = reaction.keyword
        for index, media in enumerate(message.media):
            params[f"MediaUrl{index}"] = self.media_url(sid, media.sid)
            params[f"MediaContentType{index}"] = media.content_type
        return params

    def media_url(self, message_sid: str, media_sid: str) -> str:
        """The address of a medium as webhooks name it."""
        account = f"/2010-04-01/Accounts/{self._settings.account_sid}"
        return f"{self._settings.public_url}{account}/Messages/{message_sid}/Media/{media_sid}"
