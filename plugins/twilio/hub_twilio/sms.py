"""The channel ``sms_twilio``: Twilio's messaging webhooks in, its Messages API out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from pydantic import Field, field_validator
from twilio.base.exceptions import TwilioException  # type: ignore[import-untyped]

from hub import (
    DeliveryReport,
    HttpFailed,
    InboundMedia,
    InboundText,
    Integration,
    Received,
    SendFailed,
    Sent,
    Services,
    TextChannel,
    TextMessage,
    WebhookAnswer,
    WebhookMalformed,
    WebhookRefused,
    WebhookRequest,
    mask,
    plain_punctuation,
)
from hub_twilio.account import Account, AccountSettings, status_and_code
from hub_twilio.errors import failure
from hub_twilio.keywords import opt_out
from hub_twilio.media import MMS_COUNTRIES, country_code, refused
from hub_twilio.signature import SignatureChecker

NOTHING_TO_SAY = WebhookAnswer("<Response/>", "text/xml")
"""A text/plain answer would be sent to the person as a text message (Twilio: TwiML for programmable messaging)."""
MOST_MEDIA = 10
LONGEST_ADDRESS = 255
LIST_LIMIT = 100
CLOCK_SLACK = timedelta(seconds=60)

STATUSES: Mapping[str, Any] = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "sending",
    "sent": "sent",
    "delivered": "delivered",
    "partially_delivered": "delivered",
    "read": "read",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "canceled",
}
"""Twilio's message statuses as the hub's (Twilio: outbound message status in status callbacks)."""


class SmsTwilioSettings(AccountSettings):
    """Settings of SMS with Twilio."""

    messaging_service_sid: str | None = Field(
        None,
        title="Messaging Service SID",
        description="If set, messages leave through this service, from the number that was texted.",
        pattern=r"^MG[0-9a-fA-F]{32}$",
    )
    signature: Literal["enforce", "report"] = Field(
        "enforce",
        title="Webhook signatures",
        description="enforce refuses requests with a wrong signature; report logs and counts them and lets them "
        "through, for a migration.",
    )
    plain_punctuation: bool = Field(
        False,
        title="Plain punctuation",
        description="Replace curly quotes, dashes and the like where that keeps a text from costing twice as much.",
    )
    keywords_for_assistant: tuple[str, ...] = Field(
        default=(),
        title="Keywords for the assistant",
        description="Keywords that Twilio knows and the assistant should get nevertheless, for example YES.",
    )
    mms_countries: tuple[str, ...] = Field(
        default=MMS_COUNTRIES,
        title="Countries with MMS",
        description="Two-letter codes (ISO 3166); people elsewhere get the address of a file instead of the file.",
    )

    @field_validator("mms_countries")
    @classmethod
    def _countries(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(country_code(code) for code in codes)


class SmsTwilio(TextChannel):
    """One integration's SMS with Twilio."""

    def __init__(self, integration: Integration, services: Services) -> None:
        super().__init__(integration, services)
        settings: SmsTwilioSettings = integration.settings
        self._settings = settings
        self._account = Account(settings, services.http)
        self._numbers = frozenset(settings.phone_numbers)
        self._passed_on = frozenset(word.strip().upper() for word in settings.keywords_for_assistant)
        self._signatures = SignatureChecker(
            [token.get_secret_value() for token in settings.auth_tokens],
            {name: secret.get_secret_value() for name, secret in settings.shared_keys.items()},
        )

    def receive(self, request: WebhookRequest) -> Received:
        """Verify the signature, the account and the number, then read a text or a delivery report."""
        json_body = request.headers.get("content-type", "").startswith("application/json")
        fields = None if json_body else request.form
        warnings: tuple[str, ...] = ()
        try:
            self._signatures.verify(request.url, fields, request.body, request.headers)
        except WebhookRefused as error:
            if self._settings.signature == "enforce":
                raise
            self.services.log.warning("signature_reported", integration=self.integration.name, reason=str(error))
            warnings = ("signature_reported",)
        if fields is None:
            raise WebhookMalformed("a messaging webhook is a form, not JSON")
        values = dict(fields)
        if values.get("AccountSid") != self._settings.account_sid:
            raise WebhookRefused("AccountSid is not the configured account")
        if request.endpoint == "status":
            return Received(NOTHING_TO_SAY, reports=(self._report(request.url, values),), warnings=warnings)
        return Received(NOTHING_TO_SAY, texts=(self._text(values),), warnings=warnings)

    def send(self, message: TextMessage) -> Sent:
        """Create the message at Twilio; it is accepted when Twilio has given it a SID."""
        wanted: dict[str, Any] = {
            "to": message.recipient,
            "from_": message.sender,
            "status_callback": message.status_url,
        }
        if message.text:
            wanted["body"] = message.text
        if message.media:
            wanted["media_url"] = list(message.media)
        if self._settings.messaging_service_sid:
            wanted["messaging_service_sid"] = self._settings.messaging_service_sid
        try:
            created = self._account.client.messages.create(**wanted)
        except HttpFailed as error:
            raise SendFailed("unreachable", str(error), retryable=error.retryable, unknown=error.sent) from error
        except TwilioException as error:
            raise failure(*status_and_code(error), self._account.transport.retry_after) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # An answer that is not Twilio's JSON may still stand for a message that was accepted.
            raise SendFailed("answer", "Twilio's answer cannot be read", retryable=True, unknown=True) from error
        if not created.sid:
            raise SendFailed("answer", "Twilio's answer has no message SID", retryable=True, unknown=True)
        return _sent(created)

    def find_sent(self, message: TextMessage, since: datetime, known: Collection[str]) -> Sent | None:
        """Look for the message among the newest ones to this person.

        Twilio has no idempotency key for messages, so To, From, Body and time are what there is to go by.
        """
        wanted: dict[str, Any] = {"to": message.recipient, "limit": LIST_LIMIT}
        if not self._settings.messaging_service_sid:
            # A message of a service has no From until the service has chosen one.
            wanted["from_"] = message.sender
        try:
            listed = self._account.client.messages.list(**wanted)
        except HttpFailed as error:
            raise SendFailed("list", f"Twilio's list cannot be read: {error}", retryable=True, unknown=True) from error
        except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SendFailed("list", "Twilio's list cannot be read", retryable=True, unknown=True) from error
        earliest = since - CLOCK_SLACK
        for found in reversed(listed):
            created = found.date_created
            if (
                found.sid not in known
                and found.direction != "inbound"
                and (found.body or "").strip() == message.text.strip()
                and found.from_ in (None, message.sender)
                and created is not None
                and created.replace(tzinfo=created.tzinfo or UTC) >= earliest
            ):
                return _sent(found)
        return None

    def media_credentials(self, url: str) -> tuple[str, str] | None:
        """Twilio may ask for Basic auth on media ("HTTP basic auth for media")."""
        return self._account.media_credentials(url)

    def opt_out_sender(self, number: str) -> str:
        """With a Messaging Service an opt-out covers the whole service (Twilio: help article on STOP)."""
        return self._settings.messaging_service_sid or number

    def prepare(self, text: str) -> str:
        """Replace typographic characters if the operator wants that."""
        return plain_punctuation(text) if self._settings.plain_punctuation else text

    def media_refused(self, media_type: str, size: int | None, sender: str, recipient: str) -> str | None:
        """By Twilio's table of accepted types, its limits, and the recipient's country."""
        return refused(media_type, size, sender, recipient, self._settings.mms_countries)

    def check(self) -> str:
        """Read one message of the account, which proves the credentials and changes nothing."""
        try:
            self._account.client.messages.list(limit=1)
        except HttpFailed as error:
            raise SendFailed("unreachable", str(error), retryable=True) from error
        except TwilioException as error:
            raise failure(*status_and_code(error), None) from error
        return f"Twilio accepts the credentials of {self._settings.account_sid}"

    def _text(self, values: dict[str, str]) -> InboundText:
        try:
            sid, sender, recipient = values["MessageSid"], values["From"].strip(), values["To"].strip()
        except KeyError as error:
            raise WebhookMalformed(f"the field {error.args[0]} is missing") from None
        if not sid or not sender or not recipient:
            raise WebhookMalformed("MessageSid, From or To is empty")
        if max(len(sid), len(sender), len(recipient)) > LONGEST_ADDRESS:
            raise WebhookMalformed("MessageSid, From or To is too long")
        if self._numbers and recipient not in self._numbers:
            configured = ", ".join(sorted(mask(number) for number in self._numbers))
            raise WebhookRefused(f"Forbidden: texted {mask(recipient)}, configured {configured}")
        body = values.get("Body", "")
        return InboundText(
            provider_id=sid,
            sender=sender,
            recipient=recipient,
            text=body,
            raw=values,
            media=_media(values),
            segments=_count(values.get("NumSegments"), 1, 100),
            opt_out=opt_out(body, values.get("OptOutType"), self._passed_on),
            opt_out_sender=self.opt_out_sender(recipient),
        )

    def _report(self, url: str, values: dict[str, str]) -> DeliveryReport:
        sid = values.get("MessageSid") or values.get("SmsSid")
        status = STATUSES.get((values.get("MessageStatus") or values.get("SmsStatus") or "").lower())
        if not sid or status is None:
            raise WebhookMalformed("MessageSid or MessageStatus is missing or unknown")
        code = values.get("ErrorCode") or None
        return DeliveryReport(
            provider_id=sid,
            status=status,
            raw=values,
            error_code=code,
            message_id=_message_id(url),
            opted_out=code == "21610",
            opt_out_sender=self._settings.messaging_service_sid or "",
        )


def _media(values: dict[str, str]) -> tuple[InboundMedia, ...]:
    media = []
    for position in range(_count(values.get("NumMedia"), 0, MOST_MEDIA)):
        url = values.get(f"MediaUrl{position}")
        if url:
            media.append(InboundMedia(url, values.get(f"MediaContentType{position}", "")))
    return tuple(media)


def _count(text: str | None, default: int, most: int) -> int:
    """A number of the webhook, which carries every number as text."""
    return min(int(text), most) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else default


def _message_id(url: str) -> UUID | None:
    """Our own id of a message, from the address the report was sent to; it is covered by the signature."""
    try:
        return UUID(parse_qs(urlsplit(url).query).get("message", [""])[0])
    except ValueError:
        return None


def _sent(message: Any) -> Sent:
    segments = str(message.num_segments or "")
    # With a Messaging Service Twilio does not know the number of segments yet and says 0.
    counted = int(segments) if segments.isdigit() and int(segments) > 0 else None
    return Sent(provider_id=message.sid, status=STATUSES.get(str(message.status), "queued"), segments=counted)
