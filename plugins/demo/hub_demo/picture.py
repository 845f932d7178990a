"""A small picture made on the spot, so that the demo needs no file and no network."""

from __future__ import annotations

import struct
import zlib
from functools import cache

WIDTH, HEIGHT = 320, 200
SUN = (160, 120, 45)
SKY_TOP, SKY_BOTTOM = (38, 60, 120), (250, 170, 90)
SEA = (20, 50, 90)
LIGHT = (255, 230, 140)


@cache
def sunrise() -> bytes:
    """A sunrise over the sea as PNG, 320 × 200 pixels."""
    rows = b"".join(b"\0" + bytes(channel for x in range(WIDTH) for channel in _pixel(x, y)) for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _pixel(x: int, y: int) -> tuple[int, ...]:
    center_x, horizon, radius = SUN
    if y < horizon:
        if (x - center_x) ** 2 + (y - horizon) ** 2 < radius**2:
            return LIGHT
        share = y / horizon
        return tuple(round(top + (bottom - top) * share) for top, bottom in zip(SKY_TOP, SKY_BOTTOM, strict=True))
    glitter = abs(x - center_x) < radius - (y - horizon) // 3 and (y // 3 + x // 7) % 3 == 0
    return LIGHT if glitter else SEA


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
