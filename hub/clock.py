"""Time is UTC everywhere; this is the one place that asks the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The current time, aware, UTC."""
    return datetime.now(UTC)


def after(seconds: float) -> datetime:
    """The time `seconds` from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
