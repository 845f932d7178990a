"""What goes into an MMS (Twilio: "Accepted content types for media", column MMS, and Message resource, MediaUrl).

There is a table like this in the channel under test as well. They are kept apart so that a mistake in one shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub_simulator.messages import Media
from hub_simulator.settings import MEGABYTE

MESSAGE_LIMIT = 5 * MEGABYTE
CARRIER_LIMIT = 500_000
"""Pictures that Twilio makes smaller for a carrier get through; anything else has to fit."""
FITTED = frozenset({"image/jpeg", "image/jpg", "image/png", "image/gif"})
_SUBTYPES = {
    "image": "jpeg jpg png gif heic heif tiff bmp",
    "video": "mp4 mpeg4 mpeg webm quicktime 3gpp 3gpp2 3gpp-tt h261 h263 h263-1998 h263-2000 h264 h265",
    "audio": "ogg mpeg mp3 mp4 amr amr-nb ac3 3gpp 3gpp2 basic l24 vnd.rn-realaudio vnd.wave webm",
    "text": "vcard x-vcard directory csv richtext rtf calendar",
    "application": "pdf vcard",
}
ACCEPTED = frozenset(f"{kind}/{each}" for kind, subtypes in _SUBTYPES.items() for each in subtypes.split())


def carrier_refuses(media: Sequence[Media]) -> bool:
    """Whether the recipient's carrier finds a message with these files too large (error 30019)."""
    return any(file.content_type not in FITTED and len(file.data) > CARRIER_LIMIT for file in media)
