"""Ways to reach people: the classes a channel plugin implements, and the values that pass between it and the host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Literal
from urllib.parse import unquote_plus
from uuid import UUID

from pydantic import Field

from hub.errors import WebhookMalformed
from hub.services import Services
from hub.settings import Settings

DEFAULT_FAILURE_MESSAGE = "We're sorry, but we can't respond to your message."
MAX_FIELDS = 500

OptOut = Literal["stop", "start", "help"]
Status = Literal[
    "received", "pending", "queued", "sending", "sent", "delivered", "read",
    "undelivered", "failed", "canceled", "opted_out", "suppressed",
]  # fmt: skip
RANK: Mapping[Status, int] = {
    "received": 0, "pending": 0, "queued": 10, "sending": 20, "sent": 30, "delivered": 40, "undelivered": 40,
    "failed": 40, "canceled": 40, "opted_out": 40, "suppressed": 40, "read": 50,
}  # fmt: skip
"""A message moves to a status of higher rank only, so that callbacks may come in any order."""


@dataclass(frozen=True)
class WebhookRequest:
    """One request of a provider, as it came over the wire.

    :param endpoint: the last part of the webhook URI: ``message``, ``status`` …
    :param url: the address the provider called: configured public URL plus the raw request target.
    :param headers: names in lower case.
    :param body: the raw body.
    """

    method: str
    endpoint: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def form(self) -> list[tuple[str, str]]:
        """The form fields in wire order, decoded once; blank values are kept.

        :raises WebhookMalformed: not a form, not UTF-8, more than 500 fields, or a NUL in a name or value.
        """
        content_type = self.headers.get("content-type", "")
        if not content_type.lower().startswith("application/x-www-form-urlencoded"):
            raise WebhookMalformed("the body is not a form")
        try:
            text = self.body.decode("ascii")
            pairs = [pair.partition("=") for pair in text.split("&") if pair]
            fields = [(_decoded(name), _decoded(value)) for name, _, value in pairs]
        except ValueError:
            raise WebhookMalformed("the form is not valid UTF-8") from None
        if len(fields) > MAX_FIELDS:
            raise WebhookMalformed(f"the form has more than {MAX_FIELDS} fields")
        if "\0" in text or "%00" in text:
            raise WebhookMalformed("the form holds a NUL character")
        return fields


def _decoded(text: str) -> str:
    # Most fields hold nothing encoded, and urllib's parser costs more than everything else a webhook is checked for.
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the provider is answered."""

    body: str = ""
    content_type: str = "text/plain"
    status: int = 200


@dataclass(frozen=True, slots=True)
class InboundMedia:
    """A file that came with a text, still at the provider."""

    url: str
    media_type: str


@dataclass(frozen=True, slots=True)
class InboundText:
    """One text of a person.

    :param provider_id: the provider's id, unique per integration; a repeat is processed once.
    :param sender: the person. :param recipient: our number.
    :param raw: every parameter as it came, kept with the message.
    :param opt_out: what the text changes about the person's consent; such a text never reaches the assistant.
    :param opt_out_sender: our number or service that the consent is about.
    """

    provider_id: str
    sender: str
    recipient: str
    text: str
    raw: Mapping[str, Any]
    media: tuple[InboundMedia, ...] = ()
    segments: int = 1
    opt_out: OptOut | None = None
    opt_out_sender: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What the provider says became of a message of ours.

    :param message_id: our own id, where the channel put it into the callback address; else None.
    :param opted_out: the provider says that the recipient has opted out of `opt_out_sender`.
    """

    provider_id: str
    status: Status
    raw: Mapping[str, Any]
    error_code: str | None = None
    message_id: UUID | None = None
    opted_out: bool = False
    opt_out_sender: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """What one webhook request meant, and the answer the provider gets once it is stored.

    :param warnings: short words the host counts, for requests that were let through with a remark.
    """

    answer: WebhookAnswer
    texts: tuple[InboundText, ...] = ()
    reports: tuple[DeliveryReport, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextMessage:
    """One message to send: a text, media addresses, or both.

    :param media: public URLs the provider fetches.
    :param status_url: where the provider should report the delivery of this message.
    """

    id: UUID
    sender: str
    recipient: str
    text: str
    status_url: str
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider accepted a message."""

    provider_id: str
    status: Status = "queued"
    segments: int | None = None


@dataclass(frozen=True, slots=True)
class Integration:
    """The configured use of a channel that a channel object serves.

    :param webhook_url: public address of the integration's webhooks, without the endpoint.
    """

    name: str
    settings: Any
    webhook_url: str

    def url(self, endpoint: str) -> str:
        """The address a provider calls for `endpoint`."""
        return f"{self.webhook_url}/{endpoint}"


class TextChannelSettings(Settings):
    """Settings every text channel has; a plugin adds its provider's own."""

    initiate_from_inbound: bool = Field(
        True,
        title="Initiate conversation from inbound messages",
        description="Off: only texts that belong to a conversation already going on reach the assistant.",
    )
    failure_message: str = Field(
        DEFAULT_FAILURE_MESSAGE,
        title="Default failure message",
        description="Sent to the person when the assistant does not answer.",
    )
    session_timeout: int = Field(
        3600, ge=1, title="Session time-out", description="Seconds without a message after which a session ends."
    )
    notify_on_session_timeout: bool = Field(
        False,
        title="Notify on session time-out",
        description="Ask the assistant for a farewell (input smsResponseTimeout) when a session times out.",
    )
    combine_messages: bool = Field(
        True,
        title="Combine messages",
        description="Put the texts of one answer into as few messages as keep their order; off: one message each.",
    )
    replies_per_minute: int = Field(
        30,
        ge=1,
        title="Replies per minute",
        description="Loop guard: messages to one person within any 60 seconds; more are kept but not sent.",
    )


class Channel(ABC):
    """One integration's way to its provider. The host makes one object per process and calls it from many threads.

    :param integration: name, settings and webhook addresses.
    :param services: the HTTP client and the logger of the hub.
    """

    endpoints: ClassVar[tuple[str, ...]] = ()
    """The last parts of the webhook URIs it answers."""

    def __init__(self, integration: Integration, services: Services) -> None:
        self.integration = integration
        self.services = services

    @abstractmethod
    def receive(self, request: WebhookRequest) -> Received:
        """Verify and read one webhook request. Nothing is called or stored here; the host stores what is returned.

        :raises WebhookRefused: wrong signature, account or number (403).
        :raises WebhookMalformed: cannot be understood (400).
        """

    def check(self) -> str:
        """One sentence for ``hub doctor`` on whether the provider accepts the credentials.

        :raises SendFailed: it does not.
        """
        return "not checked: this channel has no check"


class TextChannel(Channel):
    """A channel of short text messages.

    The settings model derives from :class:`TextChannelSettings`.
    """

    endpoints: ClassVar[tuple[str, ...]] = ("message", "status")
    max_length: ClassVar[int] = 1600
    """Longest text of one message, in UTF-16 units."""

    @abstractmethod
    def send(self, message: TextMessage) -> Sent:
        """Hand one message to the provider; return when it is accepted.

        :raises SendFailed: it was not accepted, or nobody knows (``unknown``).
        """

    @abstractmethod
    def find_sent(self, message: TextMessage, since: datetime, known: Collection[str]) -> Sent | None:
        """Look in the provider's list for `message`, handed over at `since` or later with an unknown outcome.

        :param known: provider ids that are other messages of ours for sure.
        :returns: what the provider accepted, or None when it has no such message.
        :raises SendFailed: the list could not be read; the host asks again later and does not send.
        """

    def media_credentials(self, url: str) -> tuple[str, str] | None:
        """User and password for fetching inbound media from `url`: only for the provider's own host."""
        return None

    def opt_out_sender(self, number: str) -> str:
        """What a person opts out of when texting `number`: the number, or the service it belongs to."""
        return number

    def prepare(self, text: str) -> str:
        """The text as it should be sent, for channels that can save segments by replacing look-alike characters."""
        return text

    def media_refused(self, media_type: str, size: int | None, sender: str, recipient: str) -> str | None:
        """Why a file would not get from `sender` to `recipient`; None when it would.

        :param media_type: lower case, without parameters; empty when nobody knows: only what holds for every file
            counts then.
        :param size: bytes, or None when nobody knows; also asked with the sum of a message's files and an empty type.
        """
        return None


@dataclass(frozen=True, slots=True)
class ChannelType:
    """What a plugin registers: a channel's name (``<kind>_<provider>``), a title, the class and its settings."""

    name: str
    title: str
    channel: type[Channel]
    settings: type[Settings] = field(default=Settings)
