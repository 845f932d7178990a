"""Signed inbound webhooks of one Twilio account, as the bytes that go over the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

PUBLIC_URL = "http://bench.example"
"""What is signed. It does not depend on a port, so every server gets the same bytes."""
PATH = "/webhooks/bench-sms/message"
ACCOUNT_SID = f"AC{0xBE7C4:032x}"
AUTH_TOKEN = f"{0x5EC4E7:032x}"
NUMBER = "+15550000001"

_FIELDS = {
    "ToCountry": "US",
    "ToState": "",
    "SmsMessageSid": "",
    "NumMedia": "0",
    "ToCity": "",
    "FromZip": "",
    "SmsSid": "",
    "FromState": "CA",
    "SmsStatus": "received",
    "FromCity": "",
    "Body": "",
    "FromCountry": "US",
    "To": NUMBER,
    "MessagingServiceSid": f"MG{0xBE7C4:032x}",
    "ToZip": "",
    "NumSegments": "1",
    "MessageSid": "",
    "AccountSid": ACCOUNT_SID,
    "From": "",
    "ApiVersion": "2010-04-01",
}
_HEAD = (
    f"POST {PATH} HTTP/1.1\r\n"
    "Host: bench.example\r\n"
    "User-Agent: TwilioProxy/1.1\r\n"
    "Accept: */*\r\n"
    "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
    "I-Twilio-Idempotency-Token: {token}\r\n"
    "X-Twilio-Signature: {signature}\r\n"
    "Content-Length: {length}\r\n\r\n"
)


def signature(fields: dict[str, str]) -> str:
    """``X-Twilio-Signature`` of a form posted to the webhook: names in order, each followed by its value."""
    text = PUBLIC_URL + PATH + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.digest(AUTH_TOKEN.encode(), text.encode(), hashlib.sha1)).decode()


def webhook(index: int, persons: int) -> bytes:
    """The whole request of message number `index`; message ids are unique, senders repeat after `persons`."""
    sid = f"SM{index:032x}"
    fields = {
        **_FIELDS,
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "MessageSid": sid,
        "From": f"+1555{1_000_000 + index % persons}",
        "Body": f"Hello, is the shop open on Sunday & until when? ({index})",
    }
    body = urlencode(fields)
    return (_HEAD.format(token=sid[2:], signature=signature(fields), length=len(body)) + body).encode()


class Webhooks:
    """The messages of `persons` people, the same ones in the same order for every server that is measured.

    Requests are made ahead of time by :meth:`prepare`; those beyond are made when they are asked for.
    """

    def __init__(self, persons: int = 500) -> None:
        self.persons = persons
        self._made: list[bytes] = []

    def prepare(self, count: int) -> None:
        """Have the first `count` requests ready."""
        self._made += (webhook(index, self.persons) for index in range(len(self._made), count))

    def __iter__(self) -> Iterator[bytes]:
        index = 0
        while True:
            if index == len(self._made):
                self.prepare(index + 1)
            yield self._made[index]
            index += 1


def check_signature() -> None:
    """Make sure that the SDK accepts what this module signs.

    :raises RuntimeError: it does not.
    """
    head, _, body = webhook(7, 500).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    if not RequestValidator(AUTH_TOKEN).validate(PUBLIC_URL + PATH, fields, headers["X-Twilio-Signature"]):
        raise RuntimeError("the signature made here is not the one the twilio SDK computes")
    if len(fields) != len(_FIELDS):
        raise RuntimeError("the form lost a field on its way")
