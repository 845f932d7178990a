"""What goes into an MMS: Twilio's accepted types and limits, and the countries."""

from __future__ import annotations

from typing import Any

import pytest
from hub_twilio.media import ACCEPTED, country_of, refused
from hub_twilio.sms import SmsTwilio, SmsTwilioSettings
from pydantic import ValidationError

from hub import HttpClient, Integration

FROM, TO, CANADA, BRITAIN = "+12025550101", "+12025550123", "+14165550123", "+447400123456"


@pytest.mark.parametrize(
    ("media_type", "size", "reason"),
    [
        ("image/jpeg", 5_000_000, None),
        ("image/jpg", 1, None),
        ("image/gif", None, None),
        ("image/png", 5_000_001, "5000001 bytes are more than the 5000000 of an MMS"),
        ("application/pdf", 500_000, None),
        ("application/pdf", 500_001, "500001 bytes are more than the 500000 of application/pdf in an MMS"),
        ("video/mp4", 6_200_000, "6200000 bytes are more than the 500000 of video/mp4 in an MMS"),
        ("text/vcard", None, None),
        ("image/webp", 10, "Twilio does not take image/webp"),
        ("application/octet-stream", None, "Twilio does not take application/octet-stream"),
        ("text/html", None, "Twilio does not take text/html"),
        ("application/msword", None, "Twilio does not take application/msword"),
        ("", None, None),
        ("", 5_000_000, None),
        ("", 6_200_000, "6200000 bytes are more than the 5000000 of an MMS"),
    ],
)
def test_types_and_sizes(media_type: str, size: int | None, reason: str | None) -> None:
    assert refused(media_type, size, FROM, TO) == reason


def test_the_table_is_in_the_form_types_are_compared_in() -> None:
    assert all(each == each.lower().strip() and each.count("/") == 1 for each in ACCEPTED)
    assert len(ACCEPTED) == 45
    assert sorted(each for each, limit in ACCEPTED.items() if limit > 500_000) == [
        "image/gif", "image/jpeg", "image/jpg", "image/png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        (TO, None),
        (CANADA, None),
        ("+15550000002", None),
        ("+18005550100", None),
        ("12345", None),
        (BRITAIN, "there is no MMS to GB"),
        ("+12425550123", "there is no MMS to BS"),
        ("+17872345678", "there is no MMS to PR"),
        ("+61412345678", "there is no MMS to AU"),
        ("+8821612345678", "there is no MMS to 001"),
    ],
)
def test_countries(recipient: str, reason: str | None) -> None:
    assert refused("image/png", 10, FROM, recipient) == reason


@pytest.mark.parametrize("sender", ["12345", "Company", ""])
def test_a_short_code_is_where_the_sender_is(sender: str) -> None:
    assert country_of(sender) is None
    assert refused("image/png", 10, BRITAIN, "12345") == "there is no MMS to GB"
    assert refused("image/png", 10, sender, "12345") is None


def channel(**more: Any) -> SmsTwilio:
    settings = SmsTwilioSettings(account_sid="AC" + "0" * 32, auth_tokens=("t",), **more)
    services: Any = type("Services", (), {"http": HttpClient()})()
    return SmsTwilio(Integration("sms", settings, "https://hub.example/webhooks/sms"), services)


def test_the_channel_judges_by_its_countries() -> None:
    default, wider = channel(), channel(mms_countries=("us", " AU"))
    assert default.media_refused("image/png", 10, FROM, CANADA) is None
    assert default.media_refused("image/webp", 10, FROM, TO) == "Twilio does not take image/webp"
    assert wider.media_refused("image/png", 10, FROM, "+61412345678") is None
    assert wider.media_refused("", None, FROM, CANADA) == "there is no MMS to CA"
    assert channel(mms_countries=()).media_refused("", None, FROM, TO) == "there is no MMS to US"


@pytest.mark.parametrize("code", ["USA", "", "XX", "United States"])
def test_a_country_nobody_knows_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match="two letters"):
        channel(mms_countries=(code,))
