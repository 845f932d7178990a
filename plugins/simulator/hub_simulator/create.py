"""Checking the parameters of a new message, with the errors Twilio gives (Twilio: Message resource, errors)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from werkzeug.datastructures import MultiDict

from hub_simulator import segments
from hub_simulator.errors import ApiError
from hub_simulator.settings import Settings

MAX_BODY = 1600
MAX_MEDIA = 10
CHANNELS = ("whatsapp:", "rcs:", "messenger:")
E164 = re.compile(r"\+[1-9]\d{6,14}")
SHORT_CODE = re.compile(r"\d{3,8}")
ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
SERVICE_SID = re.compile(r"MG[0-9a-fA-F]{32}")
HOST_NAME = re.compile(r"[A-Za-z0-9.\-\[\]:]+")
PUNCTUATION = str.maketrans("", "", " ().-")

# Twilio: "Test credentials", magic input. They work with any credentials here, so that a hub can be tested with them.
MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
MAGIC_FROM_OK = "+15005550006"
MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}


@dataclass(frozen=True)
class Draft:
    """A message that may be created."""

    to: str
    from_: str | None
    service: str | None
    body: str
    media_urls: tuple[str, ...] = ()
    status_callback: str = ""
    send_at: datetime | None = None
    as_mms: bool = False


class Checker:
    """Turns the form of a create request into a draft, or raises the error Twilio would answer."""

    def __init__(self, settings: Settings, blocks: Callable[[str, str], bool]) -> None:
        self._settings = settings
        self._blocks = blocks

    def check(self, form: MultiDict[str, str], now: datetime) -> Draft:
        """All checks, in the order in which Twilio names one of several mistakes."""
        to = self._recipient(form.get("To", ""))
        from_, service = self._sender(form.get("From", "").strip(), form.get("MessagingServiceSid", "").strip())
        media_urls = tuple(url for url in form.getlist("MediaUrl") if url)
        body = self._body(form, bool(media_urls))
        if len(media_urls) > MAX_MEDIA:
            raise ApiError(21623)
        if not all(is_url(url) for url in media_urls):
            raise ApiError(21620)
        callback = form.get("StatusCallback", "")
        if callback and not is_callback(callback):
            raise ApiError(21609)
        self._validity(form.get("ValidityPeriod", ""))
        if to == from_:
            raise ApiError(21211)
        send_at = _send_at(form, service, now)
        self.check_opt_out(to, from_, service)
        as_mms = form.get("SendAsMms", "").lower() == "true"
        return Draft(to, from_, service, body, media_urls, callback, send_at, as_mms)

    def check_opt_out(self, to: str, from_: str | None, service: str | None) -> None:
        """Twilio refuses, and does not drop, what goes to a person who opted out."""
        scope = service or (self._settings.service_of(from_) if from_ else None) or from_
        if scope and self._blocks(scope, to):
            raise ApiError(21610)

    def owns(self, number: str) -> bool:
        """Whether the number can send in this account."""
        return (
            number in self._settings.numbers or number == MAGIC_FROM_OK or self._settings.service_of(number) is not None
        )

    def _recipient(self, given: str) -> str:
        if not given.strip():
            raise ApiError(21604)
        to = normal_number(given)
        if to is None:
            raise ApiError(21211)
        if to in MAGIC_TO:
            raise ApiError(MAGIC_TO[to])
        return to

    def _sender(self, given: str, service: str) -> tuple[str | None, str | None]:
        if given.startswith("MG") and not service:
            given, service = "", given  # Twilio takes a service in From as well
        if service:
            if not SERVICE_SID.fullmatch(service) or service not in self._settings.services:
                raise ApiError(21705)
            if not self._settings.services[service]:
                raise ApiError(21704)
        if not given:
            if not service:
                raise ApiError(21603)
            return None, service
        if given in MAGIC_FROM:
            raise ApiError(MAGIC_FROM[given])
        sender = normal_number(given) or (given if ALPHANUMERIC.fullmatch(given) else None)
        if sender is None:
            raise ApiError(21212)
        if service and sender not in self._settings.services[service]:
            raise ApiError(21606)
        if not self.owns(sender):
            raise ApiError(63007 if sender.startswith(CHANNELS) else 21606)
        return sender, service or None

    def _body(self, form: MultiDict[str, str], has_media: bool) -> str:
        body = form.get("Body", "")
        if form.get("ContentSid"):
            # The content's text lives at Twilio; the phone shows which one would have been sent.
            body = body or f"[content {form['ContentSid']} {form.get('ContentVariables', '')}]"
        if not body.strip() and not has_media:
            raise ApiError(21602)
        if form.get("SmartEncoded", "").lower() == "true":
            body = body.translate(segments.SMART_ENCODING)
        if len(body) > MAX_BODY:
            raise ApiError(21617)
        return body

    def _validity(self, given: str) -> None:
        if given and not (given.isdecimal() and 1 <= int(given) <= 36_000):
            raise ApiError(21624)


def normal_number(given: str) -> str | None:
    """A number as Twilio keeps it: E.164, a short code or a channel address; None if it is none of these."""
    given = given.strip()
    for channel in CHANNELS:
        if given.startswith(channel) and len(given) > len(channel):
            return given
    number = given.translate(PUNCTUATION)
    return number if E164.fullmatch(number) or SHORT_CODE.fullmatch(number) else None


def is_url(url: str) -> bool:
    """Whether Twilio can request the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in url


def is_callback(url: str) -> bool:
    """Like `is_url`; Twilio takes no underscore in the host name of a status callback."""
    return is_url(url) and HOST_NAME.fullmatch(urlsplit(url).hostname or "") is not None


def _send_at(form: MultiDict[str, str], service: str | None, now: datetime) -> datetime | None:
    """When a scheduled message goes out (Twilio: "Message scheduling")."""
    if form.get("ScheduleType", "").lower() != "fixed":
        return None
    if service is None:
        raise ApiError(35118)
    if not form.get("SendAt"):
        raise ApiError(35111)
    try:
        send_at = datetime.fromisoformat(form["SendAt"])
    except ValueError:
        raise ApiError(35114) from None
    if send_at.tzinfo is None:
        send_at = send_at.replace(tzinfo=UTC)
    if not now + timedelta(minutes=5) <= send_at <= now + timedelta(days=35):
        raise ApiError(35114)
    return send_at
