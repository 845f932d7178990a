"""What is configured for one assistant behind a URL."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from hub import AuthSettings, NoAuth, Settings

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_OF_THE_CALL = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding"})


def _address(value: str) -> str:
    """Whether plain http will do is known only when the hub's HTTP client is asked."""
    url = value.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "\\" in url or not all("!" <= character <= "~" for character in url):
        raise ValueError("must be a URL that begins with https:// (or http://) and a host name")
    if parts.username is not None or parts.fragment:
        raise ValueError("must hold neither a user name nor a fragment; credentials belong in auth")
    return url


def _sendable(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Header names and values that can be sent as they are."""
    seen: set[str] = set()
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _OF_THE_CALL:
            raise ValueError(f"{name} cannot be set: the hub decides it")
        if name.lower() in seen:
            raise ValueError(f"{name} is given twice")
        if not _VALUE.fullmatch(value.get_secret_value()):
            raise ValueError(f"the value of {name} must be printable ASCII in one line")
        seen.add(name.lower())
    return headers


class HttpAssistantSettings(Settings):
    """Where the assistant is, how the hub signs in, and who keeps the context."""

    url: Annotated[str, AfterValidator(_address)] = Field(
        title="URL", description="Where message requests are posted to; https."
    )
    auth: AuthSettings = Field(
        default=NoAuth(type="none"),
        title="Authentication",
        description="How the hub proves to the assistant who it is: none, basic, bearer, api_key, jwt or oauth2.",
    )
    headers: Annotated[dict[str, SecretStr], AfterValidator(_sendable)] = Field(
        default={},
        title="Headers",
        description="Further headers, by name. One with the name of an authentication's header is sent in its place.",
    )
    timeout: float = Field(
        30.0, title="Time-out", description="Seconds for one answer, with signing in, 1 to 120.", ge=1, le=120
    )
    stateless: bool = Field(
        True,
        title="Stateless",
        description="On: every request carries the whole context of the last answer. Off: the assistant keeps its "
        "context itself and is sent its session id and the channel's variables.",
    )
