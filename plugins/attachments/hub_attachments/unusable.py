"""Why a file does not reach the assistant."""

from __future__ import annotations

from types import MappingProxyType

REASONS = MappingProxyType(
    {
        "too_many": "the turn has more files than max_count",
        "type": "the media type is not accepted",
        "too_large": "the file has more bytes than max_bytes, or a picture cannot be made small enough",
        "too_many_pixels": "the picture has more pixels than max_pixels",
        "broken": "the picture cannot be decoded",
        "not_cleaned": "no decoder for such pictures is there, so metadata cannot be removed",
        "infected": "ClamAV has found something",
        "not_scanned": "ClamAV could not scan the file",
        "no_time": "the time limit of the turn was over",
        "failed": "the file could not be read, or examining it failed",
    }
)
"""Every reason and what it means."""


class Unusable(Exception):
    """A file cannot be used. `reason` is a key of :data:`REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason
