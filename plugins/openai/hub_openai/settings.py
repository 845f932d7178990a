"""What is configured for one assistant behind a chat-completions endpoint."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints

from hub import Settings

COMPLETIONS_PATH = "/chat/completions"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SENDABLE = re.compile(r"[\t\x20-\x7e]*")
_OF_THE_CALL = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding"})


def _none_if_blank(value: object) -> object:
    """A form sends an empty field where nothing was meant."""
    return None if isinstance(value, str) and not value.strip() else value


def _root(value: str) -> str:
    """A URL that paths are appended to; the whole address of the endpoint is often pasted instead."""
    root = value.strip().rstrip("/").removesuffix(COMPLETIONS_PATH).rstrip("/")
    try:
        parts = urlsplit(root)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not all("!" <= character <= "~" for character in root):
        raise ValueError("must be a URL that begins with https:// (or http://) and a host name")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must hold neither a user name nor a query nor a fragment")
    return root


def _key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("must be printable ASCII without blanks")
    return SecretStr(text)


def _sendable(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Header names and values that can be sent as they are. A name is no secret, a value may be one."""
    seen: set[str] = set()
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _OF_THE_CALL:
            raise ValueError(f"{name} cannot be set: the call decides it")
        if name.lower() in seen:
            raise ValueError(f"{name} is given twice")
        if not _SENDABLE.fullmatch(value.get_secret_value()):
            raise ValueError(f"the value of {name} must be printable ASCII in one line")
        seen.add(name.lower())
    return headers


Blank = BeforeValidator(_none_if_blank)
Root = Annotated[str, AfterValidator(_root)]
Key = Annotated[SecretStr, AfterValidator(_key)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
Headers = Annotated[dict[str, SecretStr], AfterValidator(_sendable)]


class ChatSettings(Settings):
    """Where the endpoint is, which model answers, and how much of the conversation it is told."""

    base_url: Root = Field(
        "https://api.openai.com/v1",
        title="Base URL",
        description="Root of the API, mostly with /v1 at its end; /chat/completions is appended.",
    )
    api_key: Annotated[Key | None, Blank] = Field(
        None, title="API key", description="Sent as a bearer token; servers of one's own often need none."
    )
    model: Name = Field(title="Model", description="Name of the model, as the endpoint calls it.")
    system_prompt: str = Field(
        "You answer people who write text messages. Be brief and use plain text.",
        title="System prompt",
        description="What the model is told before every conversation; empty sends none.",
        max_length=50_000,
    )
    timeout: float = Field(30.0, title="Time-out", description="Seconds for one answer.", gt=0, le=300)
    temperature: Annotated[float | None, Blank] = Field(
        None, title="Temperature", description="0 to 2; empty leaves it to the endpoint.", ge=0, le=2
    )
    max_tokens: Annotated[int | None, Blank] = Field(
        None, title="Longest answer", description="Most tokens of one answer; empty leaves it to the endpoint.", ge=1
    )
    token_parameter: Literal["max_completion_tokens", "max_tokens"] = Field(
        "max_completion_tokens",
        title="Parameter for the longest answer",
        description="What the endpoint calls it: older servers know max_tokens only.",
    )
    history_tokens: int = Field(
        4000,
        title="History",
        description="Estimated tokens that the new message and the history before it may have together; the oldest "
        "messages are left out first.",
        ge=0,
        le=100_000,
    )
    pictures: Literal["off", "data", "url"] = Field(
        "data",
        title="Pictures",
        description="How the model gets pictures: data sends the content, url a signed address below the hub's public "
        "URL, off sends none.",
    )
    documents: bool = Field(
        True,
        title="Documents",
        description="Quote the text of attached documents that the attachments plugin has read.",
    )
    greeting: str = Field(
        "",
        title="Greeting",
        description="Answer to a session's first message when it is empty; without one the model is asked.",
        max_length=2000,
    )
    farewell: str = Field(
        "",
        title="Farewell",
        description="What is said when a session times out; empty says nothing.",
        max_length=2000,
    )
    headers: Headers = Field(
        default={},
        title="Headers",
        description="Further headers by name, for example OpenAI-Organization; Authorization replaces the API key.",
    )

    @property
    def secrets(self) -> list[str]:
        """What no sentence may hold."""
        values = [self.api_key, *self.headers.values()]
        return [value.get_secret_value() for value in values if value is not None and value.get_secret_value()]
