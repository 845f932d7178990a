"""The time one turn may take, over all the calls it needs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hub import AssistantFailed

_SLACK = 0.02
"""Seconds by which a socket's timer may fire early."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock by which an answer must be there."""

    moment: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that is `seconds` away."""
        return cls(time.monotonic() + seconds)

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self.moment - _SLACK

    def left(self) -> float:
        """Seconds left, more than 0.

        :raises AssistantFailed: none are; asking once more can help.
        """
        if self.passed:
            raise AssistantFailed("timeout", "the assistant's time-out passed before it answered", retryable=True)
        return self.moment - time.monotonic()
