"""What is configured for each webhook: ``[assistant.<name>.premessage]``, ``.postmessage`` and ``.log``."""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from hub import AuthSettings, JwtAuth, NoAuth, Settings

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SENDABLE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What a header's value may be."""
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "host", "transfer-encoding"})
EVENTS = {"message_logged": "messages", "cdr_logged": "calls"}
"""The subscription that each event of a log webhook belongs to (IBM: log webhook)."""


def _address(value: str) -> str:
    """An https URL; plain http needs the switch that the hub's HTTP client goes by as well."""
    url = value.strip()
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and "\\" not in url
    except ValueError:
        usable = False
    if not usable or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("must be a URL that begins with https:// and a host name")
    if parts.scheme != "https" and not (parts.scheme == "http" and os.environ.get("HUB_ALLOW_PRIVATE_URLS") == "1"):
        raise ValueError("must begin with https:// (plain http needs HUB_ALLOW_PRIVATE_URLS=1)")
    if parts.username is not None or parts.fragment:
        raise ValueError("must hold neither a user name nor a fragment; credentials belong in auth")
    return url


def _sendable(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Header names and values that can be sent as they are. A name is no secret, a value may be one."""
    seen: set[str] = set()
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _OF_THE_CONNECTION:
            raise ValueError(f"{name} cannot be set: the connection decides it")
        if name.lower() in seen:
            raise ValueError(f"{name} is given twice")
        if not SENDABLE.fullmatch(value.get_secret_value()):
            raise ValueError(f"the value of {name} holds a line break or a character that no header can hold")
        seen.add(name.lower())
    return headers


Address = Annotated[str, AfterValidator(_address)]
Headers = Annotated[dict[str, SecretStr], AfterValidator(_sendable)]


class WebhookSettings(Settings):
    """What every webhook has."""

    url: Address = Field(title="URL", description="Where the hub posts to; https only.")
    enabled: bool = Field(True, title="Enabled", description="Off: the webhook is not called, its details are kept.")
    timeout: int = Field(30, ge=1, le=30, title="Time-out", description="Whole seconds for one call, 1 to 30.")
    headers: Headers = Field(
        default={},
        title="Headers",
        description="Further headers, by name. One with the name of an authentication's header is sent in its place.",
    )

    @property
    def signs_with(self) -> AuthSettings:
        """The authentication that is meant, as one of ``hub.AuthSettings``; a custom header may still replace it."""
        raise NotImplementedError


class MessageWebhook(WebhookSettings):
    """A webhook in the way of a message: what it answers changes the message."""

    on_error: Literal["continue", "fail"] = Field(
        "continue",
        title="On error",
        description="continue: the message goes on unchanged; fail: the turn ends with the failure message.",
    )
    auth: AuthSettings = Field(
        default=NoAuth(type="none"),
        title="Authentication",
        description="How the hub proves to the webhook who it is.",
    )

    @property
    def signs_with(self) -> AuthSettings:
        """What ``auth`` says."""
        return self.auth


class PremessageSettings(MessageWebhook):
    """The webhook called with every request before the assistant sees it."""


class PostmessageSettings(MessageWebhook):
    """The webhook called with every response before it is shown."""

    after_skip: bool = Field(
        False,
        title="Also after a skipped assistant",
        description="Also call it for an answer that was given in the assistant's place.",
    )


class LogSettings(WebhookSettings):
    """The webhook that is told of messages and calls once they are over."""

    subscribe: tuple[Literal["messages", "calls"], ...] = Field(
        default=("messages", "calls"),
        min_length=1,
        title="Subscriptions",
        description="messages: conversation logs (message_logged); calls: call detail records (cdr_logged).",
    )
    secret: SecretStr | None = Field(
        None,
        max_length=1024,
        title="Secret",
        description="Signs a JWT that is sent as Authorization. Needed unless auth or an Authorization header is set.",
    )
    auth: AuthSettings | None = Field(
        None, title="Authentication", description="Another proof of who the hub is, in place of the JWT."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """A log webhook without any proof would let anybody write logs (IBM: log webhook)."""
        own = any(name.lower() == "authorization" for name in self.headers)
        try:
            proven = own or self.auth is not None or self.signs_with.type != "none"
        except ValueError:
            raise ValueError("secret: must be text that UTF-8 can hold") from None
        if not proven:
            raise ValueError("secret is missing: it is needed unless auth or the header Authorization is set")
        return self

    @property
    def signs_with(self) -> AuthSettings:
        """What ``auth`` says, else a JWT signed with the secret."""
        if self.auth is not None:
            return self.auth
        if self.secret is None or not self.secret.get_secret_value():
            return NoAuth(type="none")
        return JwtAuth(type="jwt", secret=self.secret)
