"""What the host hands to plugin objects and hooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from hub.http import HttpClient


class Secrets(Protocol):
    """Small values a plugin has to keep for good, encrypted in the store: refresh tokens and the like.

    Names are the plugin's own; two plugins never see each other's values.
    """

    def get(self, name: str) -> dict[str, Any] | None:
        """The value kept under `name`, or None."""

    def put(self, name: str, value: dict[str, Any]) -> None:
        """Keep `value` (plain JSON) under `name`, in the place of what was there."""


@dataclass(frozen=True, slots=True)
class Services:
    """The host's side of a plugin object or hook.

    :param http: the one outbound HTTP client; make no other.
    :param log: a logger bound to the plugin's name.
    :param secrets: the plugin's encrypted values.
    """

    http: HttpClient
    log: FilteringBoundLogger
    secrets: Secrets
