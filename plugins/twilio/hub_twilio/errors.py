"""Twilio's error codes: what each means for the operator, and what the hub does about it.

Codes as in Twilio's "Error and Warning Dictionary"; the sentences are ours, since Twilio's may change at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from hub import SendFailed

Kind = Literal[
    "auth", "throttled", "provider", "recipient", "opted_out", "config", "content", "carrier", "unknown"
]  # fmt: skip

OPTED_OUT = 21610
QUEUE_FULL = 21611
QUEUE_PAUSE = 60.0
"""Seconds to leave a sender alone whose queue holds ten hours of messages."""


@dataclass(frozen=True, slots=True)
class ProviderError:
    """One error code.

    :param kind: whose matter it is.
    :param retryable: the same message can succeed later without anybody changing anything.
    :param sentence: for the operator: what it means and what to do.
    """

    code: int
    kind: Kind
    retryable: bool
    sentence: str


_NO, _LATER = False, True

_ROWS: tuple[tuple[int, Kind, bool, str], ...] = (
    # Any request
    (20003, "auth", _NO, "Twilio refuses the credentials: check account SID, token or API key, region, suspension."),
    (20004, "config", _NO, "Twilio does not know this method here: check the base URL."),
    (20008, "auth", _NO, "Test credentials cannot do this: use the live ones."),
    (20404, "config", _NO, "Twilio has no such resource: check account SID and region."),
    (20429, "throttled", _LATER, "Too many requests to Twilio at a time; they are repeated more slowly."),
    (20500, "provider", _LATER, "Twilio has an internal error: see its status page if it lasts."),
    (20503, "provider", _LATER, "Twilio is not available: see its status page if it lasts."),
    # Creating a message
    (21211, "recipient", _NO, "The recipient is not a valid number, or is the sender itself."),
    (21212, "config", _NO, "The sender is not a valid number: check the configured phone numbers."),
    (21408, "config", _NO, "Messages to this country are off: allow it under geo permissions in the Twilio console."),
    (21602, "content", _NO, "The message has neither text nor media."),
    (21603, "config", _NO, "The message has no sender: configure a phone number or a Messaging Service."),
    (21604, "recipient", _NO, "The message has no recipient."),
    (21606, "config", _NO, "The sender is not a number of the account that can text this recipient."),
    (21608, "config", _NO, "A trial account texts verified numbers only: verify the recipient or upgrade the account."),
    (21609, "config", _NO, "The status callback address is not valid: check the public URL of the hub."),
    (OPTED_OUT, "opted_out", _NO, "The recipient has opted out of this sender and must text START first."),
    (QUEUE_FULL, "throttled", _LATER, "The sender's queue holds ten hours of messages: send less or add senders."),
    (21612, "recipient", _NO, "The recipient cannot be reached by text message from this sender."),
    (21614, "recipient", _NO, "The recipient is not a mobile number."),
    (21617, "content", _NO, "The text is longer than 1600 characters."),
    (21620, "content", _NO, "The address of an attachment is not valid."),
    (21623, "content", _NO, "The message has more than ten attachments."),
    (21624, "config", _NO, "The validity period must be 1 to 36000 seconds."),
    (21635, "recipient", _NO, "The recipient is a landline."),
    (21659, "config", _NO, "The sender is not a Twilio number, or is a short code of another country."),
    (21660, "config", _NO, "The sender belongs to another account: check account SID and phone numbers."),
    (21661, "config", _NO, "The sender cannot send text messages: check what the number can do."),
    (21703, "config", _NO, "The Messaging Service has no sender that can reach the recipient: add one."),
    (21704, "config", _NO, "The Messaging Service has no sender: add one."),
    (21705, "config", _NO, "The Messaging Service is not valid: check its SID."),
    (30045, "config", _NO, "The validity period is out of range."),
    (90007, "config", _NO, "The validity period is out of range."),
    # Scheduling one
    (35111, "config", _NO, "A scheduled message needs a time."),
    (35114, "config", _NO, "The time of a scheduled message is not valid."),
    (35115, "config", _NO, "The time of a scheduled message is too near."),
    (35117, "config", _NO, "The time of a scheduled message is too far away."),
    (35118, "config", _NO, "A scheduled message needs a Messaging Service."),
    (35125, "throttled", _LATER, "The account has too many scheduled messages."),
    # Delivering it
    (30001, "throttled", _LATER, "The sending queue overflowed: send more slowly or add senders."),
    (30002, "auth", _NO, "The account was suspended while the message waited: contact Twilio."),
    (30003, "recipient", _LATER, "The phone is off or out of reach."),
    (30004, "recipient", _NO, "The message is blocked on the recipient's side, for example by a toll-free STOP."),
    (30005, "recipient", _NO, "The recipient's number is not known or not in use."),
    (30006, "recipient", _NO, "The recipient is a landline, or the carrier cannot be reached."),
    (30007, "content", _NO, "Twilio or the carrier filtered the message: review its content and the registration."),
    (30008, "carrier", _LATER, "The carrier did not say why it failed."),
    (30011, "recipient", _NO, "The recipient's number takes no MMS: leave its country out of mms_countries."),
    (30017, "carrier", _LATER, "The carrier's network is congested."),
    (30019, "content", _NO, "The carrier finds the attachment too large."),
    (30022, "throttled", _LATER, "The campaign sends faster than the carrier allows: send more slowly."),
    (30023, "throttled", _LATER, "The brand has reached the carrier's daily cap: continue tomorrow."),
    (30032, "config", _NO, "The toll-free number is not verified: verify it in the Twilio console."),
    (30034, "config", _NO, "The number is not registered with a 10DLC campaign: register it."),
    (30035, "config", _NO, "The number's 10DLC registration is not finished: wait for it."),
    (30036, "carrier", _NO, "The validity period ran out before the message could be sent."),
    (30410, "carrier", _NO, "The carrier did not answer in time; not repeated, since it may have arrived."),
    # Other channels of messages
    (63003, "recipient", _NO, "The recipient is not valid on this channel."),
    (63007, "config", _NO, "Twilio knows no such sender on this channel: check the sender's address."),
    (63015, "recipient", _NO, "The recipient has not joined the WhatsApp sandbox."),
    (63016, "content", _NO, "Outside the 24-hour window WhatsApp takes approved templates only."),
    (63017, "throttled", _LATER, "The account sends more than its limit of messages per second."),
    (63018, "throttled", _LATER, "The channel's limit of messages per second is exceeded."),
    (63019, "content", _LATER, "Twilio could not fetch the attachment: check that its address is public."),
    (63024, "recipient", _NO, "The recipient is not valid on this channel."),
    (63038, "throttled", _LATER, "The account has reached its limit of messages in 24 hours."),
    # Twilio calling a webhook
    (11200, "config", _NO, "The webhook answered with an error, too late, or without a content type."),
    (11205, "config", _NO, "Twilio could not connect to the webhook: check public URL and firewall."),
    (11210, "config", _NO, "The host name of the webhook is not known: check public URL and DNS."),
    (11215, "config", _NO, "The webhook redirected more than ten times."),
    (11220, "config", _NO, "The TLS handshake with the webhook failed."),
    (11235, "config", _NO, "The certificate of the webhook is not valid for its host name."),
    (11237, "config", _NO, "The certificate of the webhook is not trusted: serve the whole chain."),
    (11750, "content", _NO, "The webhook's answer is larger than 64 kB."),
    (11751, "content", _NO, "An attachment is larger than the channel takes."),
    (12100, "config", _NO, "The webhook's answer is not XML: check that nothing answers in its place."),
    (12200, "config", _NO, "The webhook's answer is XML with something Twilio does not know."),
    (12300, "config", _NO, "The webhook's answer has a content type Twilio does not take."),
    # Answering with TwiML
    (14101, "recipient", _NO, "The recipient of a reply is not valid."),
    (14102, "config", _NO, "The sender of a reply is not valid."),
    (14103, "content", _NO, "The body of a reply is not valid."),
    (14104, "config", _NO, "The method of a reply is not valid."),
    (14105, "config", _NO, "The status callback of a reply is not valid."),
    (14107, "throttled", _NO, "Two numbers answered each other too often; Twilio broke the loop."),
    (14108, "config", _NO, "The sender of a reply cannot send such messages."),
    (14109, "content", _NO, "Twilio takes at most ten replies to a message."),
    (14110, "config", _NO, "The reply has a TwiML verb that messages do not know."),
    # Creating or changing a call
    (21205, "config", _NO, "The address of the call's instructions is not valid: check the public URL of the hub."),
    (21210, "config", _NO, "The caller's number is not verified."),
    (21213, "config", _NO, "The call has no caller's number."),
    (21214, "recipient", _NO, "The called number cannot be reached."),
    (21215, "config", _NO, "Calls to this country are off: allow it under geo permissions in the Twilio console."),
    (21216, "recipient", _NO, "Calls to this number are blocked."),
    (21217, "recipient", _NO, "The called number is not valid."),
    (21218, "config", _NO, "The application SID is not valid."),
    (21220, "unknown", _NO, "The call is not in a state that allows the change; it has probably ended."),
)

ERRORS: Mapping[int, ProviderError] = MappingProxyType({row[0]: ProviderError(*row) for row in _ROWS})

_CODE_OF_STATUS = {401: 20003, 404: 20404, 429: 20429}
"""What stands behind an HTTP status that came without a code, from a gateway for example."""


def describe(code: int | str | None) -> ProviderError:
    """What is known about a code; webhooks carry it as text.

    A code that is not in the table, not a number or missing (then it is 0) gives an error of kind ``unknown``.
    """
    number = _number(code)
    if known := ERRORS.get(number):
        return known
    sentence = f"Twilio error {number}: see https://www.twilio.com/docs/api/errors/{number}"
    return ProviderError(number, "unknown", False, sentence if number else "Twilio gave no error code.")


def _number(code: int | str | None) -> int:
    if isinstance(code, str):
        return int(code) if code.isascii() and code.isdigit() and len(code) < 10 else 0
    return code or 0


def failure(status: int, code: int | None, retry_after: float | None) -> SendFailed:
    """The failure to raise for Twilio's answer to creating a message.

    A 429 was never processed and can always be repeated; a 4xx is a decision, by its code. After anything else, 5xx
    above all, Twilio may have sent the message: there is no idempotency key (Twilio: "REST API: error responses").

    :param status: HTTP status, 0 if not known.
    :param code: Twilio's code from the body.
    :param retry_after: the header's seconds.
    """
    refused = 400 <= status < 500 and status != 408  # the one 4xx that does not say what became of the request
    error = describe(code or _CODE_OF_STATUS.get(status) or (None if refused else 20500))
    sentence = error.sentence if error.code else f"Twilio refused the message with HTTP {status} and no code."
    if error.code == QUEUE_FULL:
        retry_after = max(retry_after or 0.0, QUEUE_PAUSE)
    return SendFailed(
        str(code or status),
        sentence,
        retryable=error.retryable or status == 429 or not refused,
        unknown=not refused,
        opted_out=refused and error.code == OPTED_OUT,
        retry_after=retry_after,
    )
