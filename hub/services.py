"""What the host hands to every channel and assistant object."""

from __future__ import annotations

from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from hub.http import HttpClient


@dataclass(frozen=True, slots=True)
class Services:
    """The host's side of a plugin object.

    :param http: the one outbound HTTP client; make no other.
    :param log: a logger bound to the plugin's name.
    """

    http: HttpClient
    log: FilteringBoundLogger
