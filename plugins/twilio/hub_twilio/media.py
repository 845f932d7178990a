"""Which files Twilio carries as an MMS: media types, sizes and countries.

Sources: Twilio, "Accepted content types for media" (column MMS), for the types and for 5 MB a message; "Message
resource", parameter MediaUrl, for 500 kB of what Twilio does not fit to the recipient's carrier; "Sending and receiving
MMS messages" for the countries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import phonenumbers

MESSAGE_BYTES = 5_000_000
"""Most bytes of all files of a message, and of one that Twilio makes smaller where a carrier takes less."""
OTHER_BYTES = 500_000
"""Most bytes of any other file: carriers take from 0.6 MB on, and refuse more with error 30019."""
MMS_COUNTRIES = ("US", "CA")
"""Where Twilio sends an MMS from any of its MMS numbers; Australia only takes it from Australian ones."""

_FITTED = ("image/jpeg", "image/jpg", "image/png", "image/gif")
_AS_IT_IS = (
    "image/heic", "image/heif", "image/tiff", "image/bmp",
    "video/mp4", "video/mpeg4", "video/mpeg", "video/webm", "video/quicktime", "video/3gpp", "video/3gpp2",
    "video/3gpp-tt", "video/h261", "video/h263", "video/h263-1998", "video/h263-2000", "video/h264", "video/h265",
    "audio/ogg", "audio/mpeg", "audio/mp3", "audio/mp4", "audio/amr", "audio/amr-nb", "audio/ac3", "audio/3gpp",
    "audio/3gpp2", "audio/basic", "audio/l24", "audio/vnd.rn-realaudio", "audio/vnd.wave", "audio/webm",
    "text/vcard", "text/x-vcard", "text/directory", "text/csv", "text/richtext", "text/rtf", "text/calendar",
    "application/pdf", "application/vcard",
)  # fmt: skip

ACCEPTED: Mapping[str, int] = MappingProxyType(
    {**dict.fromkeys(_FITTED, MESSAGE_BYTES), **dict.fromkeys(_AS_IT_IS, OTHER_BYTES)}
)
"""Each media type of an MMS, in lower case, and the most bytes of one file of it."""


def refused(
    media_type: str, size: int | None, sender: str, recipient: str, countries: Collection[str] = MMS_COUNTRIES
) -> str | None:
    """Why a file would not get to `recipient` as an MMS; None when it would.

    :param media_type: lower case, without parameters; empty when nobody knows, and then only the country and the
        limit of a whole message count.
    :param size: bytes, or None when nobody knows. :param countries: ISO 3166 codes of those with MMS.
    """
    country = country_of(recipient) or country_of(sender)
    if country is not None and country not in countries:
        return f"there is no MMS to {country}"
    limit = ACCEPTED.get(media_type) if media_type else MESSAGE_BYTES
    if limit is None:
        return f"Twilio does not take {media_type}"
    if size is not None and size > limit:
        of_what = f"{media_type} in an MMS" if limit < MESSAGE_BYTES else "an MMS"
        return f"{size} bytes are more than the {limit} of {of_what}"
    return None


def country_of(number: str) -> str | None:
    """The country of an E.164 number as an ISO 3166 code; None for a short code or an alphanumeric sender.

    Countries share a calling code: +1 is that of the United States, Canada, Puerto Rico, Jamaica and others. A number
    that belongs to none of them, as fictional ones do, counts as one of the largest: +1555… as the United States.
    """
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    country = phonenumbers.region_code_for_number(parsed)
    return country or phonenumbers.region_code_for_country_code(parsed.country_code or 0)


def country_code(text: str) -> str:
    """`text` as an ISO 3166 code.

    :raises ValueError: no country has it.
    """
    code = text.strip().upper()
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("write each country with its two letters, for example US")
    return code
