"""A Twilio account: credentials, where its API is, and the SDK over the hub's HTTP client."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from twilio.base.exceptions import TwilioException  # type: ignore[import-untyped]
from twilio.http import HttpClient as SdkTransport  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from hub import HttpClient, TextChannelSettings, e164_or_short_code

API = "https://api.twilio.com"
TIMEOUT_SECONDS = 15.0


class AccountSettings(TextChannelSettings):
    """What every Twilio channel needs to know of the account."""

    account_sid: str = Field(
        title="Account SID",
        description="From the Twilio console's account dashboard; begins with AC.",
        pattern=r"^AC[0-9a-fA-F]{32}$",
    )
    auth_tokens: tuple[SecretStr, ...] = Field(
        title="Auth tokens",
        description="Any of them verifies webhooks, so that a token can be rotated; the first sends.",
        min_length=1,
    )
    shared_keys: dict[str, SecretStr] = Field(
        default={},
        title="Webhook shared keys",
        description="Secrets by key id (webhooks_sharedkey_…) for webhooks signed with HMAC-SHA256.",
    )
    api_key_sid: str | None = Field(
        None,
        title="API key SID",
        description="Optional; sends instead of the auth token.",
        pattern=r"^SK[0-9a-fA-F]{32}$",
    )
    api_key_secret: SecretStr | None = Field(None, title="API key secret", description="Belongs to the API key SID.")
    phone_numbers: tuple[str, ...] = Field(
        default=(),
        title="Phone numbers",
        description="In E.164 form or short codes; empty means every number of the account that points here.",
    )
    base_url: str = Field(API, title="Base URL", description="Root of Twilio's REST API.")
    edge: str | None = Field(None, title="Edge", description="For example dublin; goes with a region.")
    region: str | None = Field(None, title="Region", description="For example ie1; goes with an edge.")

    @field_validator("phone_numbers")
    @classmethod
    def _numbers(cls, numbers: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(e164_or_short_code(number) for number in numbers)

    @field_validator("auth_tokens")
    @classmethod
    def _tokens(cls, tokens: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(token.get_secret_value().strip() for token in tokens):
            raise ValueError("an auth token is empty")
        return tokens

    @field_validator("base_url")
    @classmethod
    def _root(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("must be an http(s) address without credentials")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _pairs(self) -> AccountSettings:
        if (self.api_key_sid is None) != (self.api_key_secret is None):
            raise ValueError("api_key_sid and api_key_secret go together")
        if (self.edge is None) != (self.region is None):
            # Twilio closed the host names that have a region but no edge (global infrastructure pages).
            raise ValueError("edge and region go together")
        return self


class Account:
    """The Twilio SDK for one account, made once: a client per message costs twenty times as much.

    :param http: the hub's HTTP client; every call goes through it.
    """

    def __init__(self, settings: AccountSettings, http: HttpClient) -> None:
        token = settings.auth_tokens[0].get_secret_value()
        secret = settings.api_key_secret.get_secret_value() if settings.api_key_secret else token
        self._credentials = (settings.api_key_sid or settings.account_sid, secret)
        self._base_url = settings.base_url
        self.transport = Transport(http, settings.base_url)
        self.client = Client(
            *self._credentials,
            account_sid=settings.account_sid,
            region=settings.region,
            edge=settings.edge,
            http_client=self.transport,
            # Nothing of the account may come from variables the operator did not mean for the hub.
            environment={"": ""},
        )

    def media_credentials(self, url: str) -> tuple[str, str] | None:
        """Basic auth for a media URL of Twilio itself, None for every other host."""
        own, other = urlsplit(self._base_url), urlsplit(url)
        if (own.scheme, own.hostname, own.port) == (other.scheme, other.hostname, other.port):
            return self._credentials
        of_twilio = other.scheme == "https" and (other.hostname or "").endswith(".twilio.com")
        return self._credentials if of_twilio and self._base_url == API else None


class Transport(SdkTransport):  # type: ignore[misc]
    """Lets the SDK call through the hub's HTTP client, at another root if one is configured."""

    def __init__(self, http: HttpClient, base_url: str) -> None:
        super().__init__(None, False, None)
        self._http = http
        self._base_url = base_url
        self._answers = threading.local()

    @property
    def retry_after(self) -> float | None:
        """Seconds the last answer to this thread asked to wait; the SDK's exceptions carry no headers."""
        seconds = getattr(self._answers, "headers", {}).get("retry-after", "")
        return float(seconds) if seconds.isascii() and seconds.isdigit() else None

    def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One call of the SDK; list values are repeated fields.

        :raises HttpFailed: no answer.
        """
        if self._base_url != API and url.startswith(API):
            url = self._base_url + url[len(API) :]
        answer = self._http.request(
            method,
            url,
            headers=headers,
            params=_fields(params) or None,
            form=_fields(data) if data is not None and method.upper() != "GET" else None,
            auth=auth,
            timeout=timeout or TIMEOUT_SECONDS,
        )
        self._answers.headers = answer.headers
        return Response(answer.status, answer.text, answer.headers)


def _fields(values: dict[str, object] | None) -> list[tuple[str, str]]:
    return [
        (name, str(each).lower() if isinstance(each, bool) else str(each))
        for name, value in (values or {}).items()
        for each in (value if isinstance(value, list | tuple) else (value,))
    ]


def status_and_code(error: TwilioException) -> tuple[int, int | None]:
    """HTTP status and Twilio code of an SDK error; the SDK has two unrelated classes for them."""
    status: Any = getattr(error, "status", None)
    code: Any = getattr(error, "code", None)
    return (status if isinstance(status, int) else 0), (code if isinstance(code, int) else None)
