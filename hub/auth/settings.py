"""The authentication of an outgoing call as it is configured (IBM: webhook authentication)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from hub.settings import Settings

LONGEST_SECRET = 1024
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_WORD = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_OWN_SETTINGS = frozenset({"grant_type", "client_id", "client_secret", "scope"})

Grant = Literal["client_credentials", "password", "authorization_code", "custom"]

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "client_credentials": ("client_id", "client_secret"),
    "password": ("client_id", "username", "password"),
    "authorization_code": ("client_id", "client_secret", "authorize_url"),
    "custom": ("custom_grant",),
}


def _none_if_blank(value: object) -> object:
    """A form sends an empty field where nothing was meant."""
    return None if isinstance(value, str) and not value.strip() else value


def _header_name(value: str) -> str:
    name = value.strip()
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("must be the name of an HTTP header: letters, digits and hyphens")
    if name.lower() in _OF_THE_CONNECTION:
        raise ValueError("names a header that belongs to the connection")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError("must be printable ASCII in one line")
    return SecretStr(text)


def _bearer_token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not _WORD.fullmatch(text):
        raise ValueError("must be printable ASCII without blanks")
    return SecretStr(text)


def _header_prefix(value: str) -> str:
    prefix = value.strip()
    if prefix and not _HEADER_NAME.fullmatch(prefix):
        raise ValueError("must be one word of letters, digits and hyphens")
    return prefix


def _one_line(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not hold control characters")
    return _encodable(value)


def _secret_line(value: SecretStr) -> SecretStr:
    _one_line(value.get_secret_value())
    return value


def _secret_text(value: SecretStr) -> SecretStr:
    _encodable(value.get_secret_value())
    return value


def _encodable(value: str) -> str:
    """Half a surrogate pair would surface as an error in the middle of a call."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be text that UTF-8 can hold") from None
    return value


def _basic_user(value: str) -> str:
    if ":" in value:
        raise ValueError("must not hold a colon: Basic authentication ends the user name there")
    return value


def _endpoint(value: str) -> str:
    """Whether plain http will do is known only when the hub's HTTP client is asked."""
    url = value.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _WORD.fullmatch(url) or "\\" in url:
        raise ValueError("must be a URL that begins with https:// and a host name")
    if parts.username is not None or parts.fragment:
        raise ValueError("must hold neither a user name nor a fragment")
    return url


def _scope(value: str) -> str:
    scope = " ".join(value.split())
    if not _SCOPE.fullmatch(scope):
        raise ValueError("must be words of printable ASCII, with blanks between them")
    return scope


def _form_field(name: str) -> str:
    if name in _OWN_SETTINGS:
        raise ValueError(f"{name} has a setting of its own")
    return _one_line(name)


Blank = BeforeValidator(_none_if_blank)
Endpoint = Annotated[str, Field(max_length=2000), AfterValidator(_endpoint)]
Line = Annotated[str, Field(min_length=1, max_length=LONGEST_SECRET), AfterValidator(_one_line)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_SECRET)]
SecretLine = Annotated[Secret, AfterValidator(_secret_line)]
SecretText = Annotated[Secret, AfterValidator(_secret_text)]
FormField = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_form_field)]


class NoAuth(Settings):
    """The call carries no credentials."""

    type: Literal["none"] = Field("none", title="Authentication", description="none: no credentials are sent.")


class BasicAuth(Settings):
    """User name and password."""

    type: Literal["basic"] = Field(title="Authentication", description="basic: user name and password.")
    username: Annotated[Line, AfterValidator(_basic_user)] = Field(
        title="User name", description="Sent as part of Authorization: Basic."
    )
    password: SecretLine = Field(title="Password", description="Sent as part of Authorization: Basic.")


class BearerAuth(Settings):
    """One fixed token."""

    type: Literal["bearer"] = Field(title="Authentication", description="bearer: a fixed token.")
    token: Annotated[Secret, AfterValidator(_bearer_token)] = Field(
        title="Token", description="Sent as Authorization: Bearer, which must not be part of it."
    )


class ApiKeyAuth(Settings):
    """A key in a header of its own."""

    type: Literal["api_key"] = Field(title="Authentication", description="api_key: a key in a header.")
    name: Annotated[str, Field(max_length=200), AfterValidator(_header_name)] = Field(
        title="API key name", description="Name of the header, for example x-api-key."
    )
    key: Annotated[Secret, AfterValidator(_header_value)] = Field(
        title="API key", description="Value of the header, sent as it is."
    )


class JwtAuth(Settings):
    """A token that the hub signs anew for each call."""

    type: Literal["jwt"] = Field(title="Authentication", description="jwt: a signed JSON Web Token.")
    secret: SecretText = Field(
        title="Secret",
        description="Signs the token (HS256), which is sent as Authorization without a prefix; 32 characters or more "
        "are hard to guess.",
    )


class OAuth2Auth(Settings):
    """A token that an OAuth 2.0 token endpoint gives.

    ``client_auth`` and ``grant`` stand before what they need, because fields are checked in this order.
    """

    type: Literal["oauth2"] = Field(title="Authentication", description="oauth2: a token of an OAuth 2.0 server.")
    grant: Grant = Field(
        title="Grant type",
        description="client_credentials, password, authorization_code (granted once in a browser) or custom.",
    )
    client_auth: Literal["body", "basic"] = Field(
        "body",
        title="Client authentication",
        description="body sends client id and secret as form fields of the token request; basic as its Basic header.",
    )
    token_url: Endpoint = Field(title="Token URL", description="Where tokens are asked for; https.")
    refresh_url: Annotated[Endpoint | None, Blank] = Field(
        None, title="Refresh token URL", description="Where tokens are renewed; empty: at the token URL."
    )
    authorize_url: Annotated[Endpoint | None, Blank] = Field(
        None,
        validate_default=True,
        title="Authorizing server URL",
        description="Page on which access is granted, for authorization_code.",
    )
    client_id: Annotated[Line | None, Blank] = Field(
        None, validate_default=True, title="Client ID", description="What the server knows the hub as."
    )
    client_secret: Annotated[SecretLine | None, Blank] = Field(
        None, validate_default=True, title="Client secret", description="The secret of the client ID."
    )
    username: Annotated[Line | None, Blank] = Field(
        None, validate_default=True, title="User name", description="For password."
    )
    password: Annotated[SecretLine | None, Blank] = Field(
        None, validate_default=True, title="Password", description="For password."
    )
    custom_grant: Annotated[Line | None, Blank] = Field(
        None, validate_default=True, title="Custom grant type", description="For custom: the value of grant_type."
    )
    secrets: dict[FormField, SecretText] = Field(
        default={},
        max_length=50,
        title="Secrets",
        description="For custom: secret fields of the token request, by name.",
    )
    parameters: dict[FormField, Annotated[str, Field(max_length=LONGEST_SECRET), AfterValidator(_encodable)]] = Field(
        default={},
        max_length=50,
        title="Parameters",
        description="For custom: further fields of the token request, by name.",
    )
    scope: Annotated[Annotated[str, Field(max_length=2000), AfterValidator(_scope)] | None, Blank] = Field(
        None, title="Scope", description="What is asked for: words with blanks between them."
    )
    header_prefix: Annotated[str, Field(max_length=100), AfterValidator(_header_prefix)] = Field(
        "Bearer",
        title="Header prefix",
        description="Word before the token in the Authorization header; empty: the token alone.",
    )

    @field_validator("client_id", "client_secret", "username", "password", "authorize_url", "custom_grant")
    @classmethod
    def _complete(cls, value: object, info: ValidationInfo) -> object:
        """Name the field that the chosen grant lacks."""
        grant = info.data.get("grant")
        if value is None and info.field_name in _NEEDED.get(str(grant), ()):
            raise ValueError(f"is needed for grant {grant}")
        if value is None and info.field_name == "client_id" and info.data.get("client_auth") == "basic":
            raise ValueError("is needed for client_auth basic")
        if info.field_name == "client_id" and info.data.get("client_auth") == "basic":
            _basic_user(str(value))
        return value

    @field_validator("parameters")
    @classmethod
    def _named_once(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for name in value:
            if name in info.data.get("secrets", {}):
                raise ValueError(f"{name} stands among the secrets already")
        return value


AuthSettings = Annotated[
    NoAuth | BasicAuth | BearerAuth | ApiKeyAuth | JwtAuth | OAuth2Auth,
    Field(discriminator="type", title="Authentication", description="How the hub proves who it is."),
]
"""One of the ways, told apart by ``type``."""


def configured_secrets(settings: Settings) -> Iterator[str]:
    """The secrets of `settings`, also those in a table."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for each in value.values() if isinstance(value, dict) else [value]:
            if isinstance(each, SecretStr):
                yield each.get_secret_value()
