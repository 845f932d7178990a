"""A sound made on the spot, in a form that phones play and no MMS carries."""

from __future__ import annotations

import math
import struct
import wave
from functools import cache
from io import BytesIO

RATE = 8_000
NOTES = (440.0, 587.33)
NOTE_SECONDS = 0.4


@cache
def notes() -> bytes:
    """Two notes as WAV: mono, 8 kHz, 16 bit, as the telephone takes it."""
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for hertz in NOTES:
            file.writeframes(b"".join(_sample(hertz, number / RATE) for number in range(int(RATE * NOTE_SECONDS))))
    return target.getvalue()


def _sample(hertz: float, seconds: float) -> bytes:
    fading = 1 - seconds / NOTE_SECONDS
    return struct.pack("<h", round(16_000 * fading * math.sin(2 * math.pi * hertz * seconds)))
