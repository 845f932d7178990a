"""UUIDv7 identifiers (RFC 9562) whose order is the order of arrival, across processes too.

The 12 bits after the version hold the sub-millisecond fraction of the clock (RFC 9562 section 6.2, method 3), so two
workers of one machine that accept two texts of one person within the same millisecond keep their order.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_62 = (1 << 62) - 1
_lock = threading.Lock()
_last = 0


def _tick() -> int:
    """Now in units of 1/4096 ms since the epoch, never the same twice in this process."""
    global _last
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    tick = (milliseconds << 12) | (rest << 12) // 1_000_000
    with _lock:
        _last = tick if tick > _last else _last + 1
        return _last


def uuid7() -> UUID:
    """A new identifier, greater than every one this process made before."""
    tick = _tick()
    random = int.from_bytes(os.urandom(8), "big") & _RANDOM_62
    return UUID(int=((tick >> 12) << 80) | _VERSION_7 | ((tick & 0xFFF) << 64) | _VARIANT | random)


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest identifier that could have been made at `moment`, for range queries by time."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | _VERSION_7 | _VARIANT)
