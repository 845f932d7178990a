"""What is configured: ``[assistant.<name>.attachments]``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from hub import Settings
from hub_attachments.clamd import address_of

ACCEPTED_TYPES = (
    "image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif",
    "application/pdf", "text/plain", "text/csv", "text/vcard", "text/calendar",
)  # fmt: skip
MMS_BYTES = 4_800_000
"""An MMS has 5 MB in all (Twilio: accepted MIME types); the rest is for its text and its headers."""
_PATTERN = re.compile(r"\*/\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,63})")


class AttachmentSettings(Settings):
    """What to do with the files of an assistant's turns."""

    enabled: bool = Field(True, title="Enabled", description="False keeps the details and switches it off.")
    accepted_types: tuple[str, ...] = Field(
        default=ACCEPTED_TYPES,
        title="Accepted types",
        description="Media types that reach the assistant, for example image/png or image/*. The type is told by the "
        "content of a file. Everything else is dropped.",
    )
    max_bytes: int = Field(
        16_000_000, title="Largest file", description="Bytes; larger files are dropped.", ge=1, le=100_000_000
    )
    max_count: int = Field(10, title="Most files", description="Files of one turn; further ones are dropped.", ge=0)
    strip_metadata: bool = Field(
        True,
        title="Remove metadata",
        description="Remove EXIF (place, time, device), XMP, comments and previews from pictures. The rotation that "
        "EXIF asks for is applied, colour profiles stay.",
    )
    max_pixels: int = Field(
        50_000_000,
        title="Most pixels",
        description="Width times height; larger pictures are dropped before they are decoded.",
        ge=10_000,
        le=89_000_000,
    )
    max_picture_bytes: int = Field(
        MMS_BYTES,
        title="Largest picture",
        description="Bytes; larger pictures are scaled down and compressed until they fit, both those people send and "
        "those of answers.",
        ge=200_000,
        le=100_000_000,
    )
    shrink_answers: bool = Field(
        True,
        title="Fit pictures of answers",
        description="Fetch each picture of an answer; one that is too large for an MMS, or neither JPEG, PNG nor GIF, "
        "is replaced by one that fits.",
    )
    max_text: int = Field(
        20_000,
        title="Longest text",
        description="Characters of text taken from the files of one turn together; 0 takes none.",
        ge=0,
        le=200_000,
    )
    max_pages: int = Field(50, title="Most pages", description="Pages of a PDF whose text is taken.", ge=1, le=1_000)
    reject_message: str = Field(
        "",
        title="Message when nothing is accepted",
        description="Sent in the assistant's place when a turn has no text and none of its files is accepted. Empty: "
        "the assistant is asked.",
    )
    time_limit: float = Field(
        30.0,
        title="Time limit",
        description="Seconds for all files of one turn; files that are left then are dropped. Must be less than "
        "HUB_HOOK_SECONDS.",
        ge=1,
        le=600,
    )
    clamav: str | None = Field(
        None,
        title="ClamAV",
        description="Socket of clamd, which scans each file: unix:/run/clamav/clamd.ctl or tcp:host:3310.",
    )
    clamav_timeout: float = Field(10.0, title="Time-out of ClamAV", description="Seconds for one file.", gt=0, le=300)
    clamav_on_error: Literal["reject", "accept"] = Field(
        "reject",
        title="When ClamAV fails",
        description="reject drops a file that could not be scanned; accept lets it through.",
    )

    @field_validator("accepted_types")
    @classmethod
    def _types(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(pattern.strip().lower() for pattern in patterns)
        for pattern in cleaned:
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"{pattern!r} is no media type; write type/subtype, type/* or */*")
        return cleaned

    @field_validator("clamav")
    @classmethod
    def _socket(cls, text: str | None) -> str | None:
        if text is not None:
            address_of(text)
        return text

    def accepts(self, media_type: str) -> bool:
        """Whether files of `media_type` reach the assistant."""
        kind, _, subtype = media_type.lower().partition("/")
        return not {f"{kind}/{subtype}", f"{kind}/*", "*/*"}.isdisjoint(self.accepted_types)
