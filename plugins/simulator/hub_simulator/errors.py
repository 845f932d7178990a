"""Twilio's error codes that the simulator can produce, each with a sentence for the person reading.

Meanings follow https://www.twilio.com/docs/api/errors; the wording is ours, for nobody should rely on theirs.
"""

from __future__ import annotations

from typing import Any

MEANING: dict[int, str] = {
    11100: "The URL cannot be requested: it is not an absolute http(s) URL.",
    11200: "The webhook answered with an error, broke the connection or took too long.",
    11205: "No connection to the webhook could be made.",
    11210: "The host name of the webhook is unknown.",
    11215: "The webhook redirected more than ten times.",
    11220: "The TLS handshake with the webhook failed.",
    11237: "The webhook's certificate cannot be trusted.",
    11750: "The webhook's answer is larger than 64 kB.",
    11751: "The media is larger than the channel takes.",
    12100: "The webhook's answer is not well-formed XML.",
    12200: "The webhook's answer is XML, but not TwiML for messages.",
    12300: "The Content-Type is not one that can be used here.",
    14101: "A reply has a recipient that cannot be texted.",
    14102: "A reply has a sender that is not a number of this account.",
    14103: "A reply has neither text nor media, or more than fits into one message.",
    14104: "A reply has a method other than GET or POST.",
    14109: "The webhook gave more than ten replies to one message.",
    14110: "The answer holds a verb that messages do not know.",
    20001: "A parameter has a value that is not allowed.",
    20003: "The account sid or the token is wrong.",
    20004: "This resource does not know that HTTP method.",
    20009: "The message is not in a final state yet, so it cannot be deleted.",
    20404: "There is no such resource in this account.",
    20415: "The request body must be form-encoded.",
    20429: "Too many requests at the same time.",
    20500: "Internal error of the provider.",
    20503: "The provider is not available right now.",
    21211: "The recipient is not a valid phone number.",
    21212: "The sender is not a valid phone number.",
    21408: "Texting this country is not switched on for the account.",
    21602: "The message has neither text nor media.",
    21603: "The message has neither a sender nor a Messaging Service.",
    21604: "The message has no recipient.",
    21606: "The sender is not a number of this account that can send texts.",
    21609: "The status callback is not a valid URL.",
    21610: "The person has opted out of messages from this sender.",
    21611: "The sender's queue is full.",
    21612: "The recipient cannot be reached from this sender.",
    21614: "The recipient is not a mobile number.",
    21617: "The text is longer than 1,600 characters.",
    21620: "A media URL is not a valid URL.",
    21623: "More than ten media were given.",
    21624: "The validity period must be from 1 to 36,000 seconds.",
    21635: "The recipient is a landline.",
    21703: "The Messaging Service has no sender that can reach the recipient.",
    21704: "The Messaging Service has no sender.",
    21705: "There is no such Messaging Service.",
    30001: "The sending queue overflowed.",
    30002: "The account was suspended after the message was queued.",
    30003: "The handset is switched off or out of reach.",
    30004: "The message was blocked on the person's side.",
    30005: "The number does not exist any more.",
    30006: "The number is a landline or its carrier cannot be reached.",
    30007: "The carrier filtered the message.",
    30008: "The carrier gave no reason.",
    30017: "The carrier's network is congested.",
    30019: "The carrier finds the media too large.",
    30022: "The carrier's rate for this sender was exceeded.",
    30023: "The carrier's daily cap for this sender was reached.",
    30032: "The toll-free number is not verified.",
    30034: "The sender is not registered with the carriers.",
    30036: "The validity period ran out before the message was sent.",
    30410: "The carrier did not answer in time.",
    35111: "A scheduled message needs SendAt.",
    35114: "SendAt must be an ISO 8601 time between five minutes and 35 days from now.",
    35118: "A scheduled message needs a Messaging Service.",
    63007: "There is no such sender on this channel.",
    63019: "The media could not be fetched.",
}


def meaning(code: int | None) -> str:
    """One sentence about a code; empty when there is none."""
    if code is None:
        return ""
    return MEANING.get(code, "See Twilio's page about this error.")


def more_info(code: int) -> str:
    """The page Twilio links to in each error."""
    return f"https://www.twilio.com/docs/errors/{code}"


class ApiError(Exception):
    """A REST request is refused (Twilio: "Twilio's response", exceptions)."""

    def __init__(self, code: int, status: int = 400, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.detail = detail

    def document(self) -> dict[str, Any]:
        """The JSON body Twilio answers an error with."""
        message = f"{meaning(self.code)} {self.detail}".strip()
        return {"code": self.code, "message": message, "more_info": more_info(self.code), "status": self.status}
