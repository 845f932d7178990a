"""What a simulator is told when it starts; what changes while it runs is in `behaviour`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub_simulator.account import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN, DEMO_NUMBER

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One Twilio account with its numbers, and where its webhooks go."""

    account_sid: str = DEMO_ACCOUNT_SID
    auth_token: str = DEMO_AUTH_TOKEN
    api_keys: Mapping[str, str] = field(default_factory=dict)
    """API key sid to secret: the other way to sign in (Twilio: Messages resource, section Authentication)."""
    numbers: tuple[str, ...] = (DEMO_NUMBER,)
    services: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Messaging Service sid to the numbers of its sender pool."""
    message_url: str = ""
    """Where inbound texts go; the fragment may hold connection overrides, such as `#rc=2&rp=5xx`."""
    fallback_url: str = ""
    message_method: str = "POST"
    public_url: str = "http://127.0.0.1:8010"
    """Where the simulator itself is reached: stands in media URLs."""
    max_messages: int = 20_000
    max_media_bytes: int = 200 * MEGABYTE

    def service_of(self, number: str) -> str | None:
        """The Messaging Service whose sender pool has this number."""
        return next((sid for sid, pool in self.services.items() if number in pool), None)
