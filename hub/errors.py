"""Every error of the hub, a short closed list. Each name says its consequence.

HubError
├── ConfigError         a start or a command ends with one line and exit code 2
├── SchemaOutdated      a start ends with the command to run
├── WebhookRefused      403, nothing stored
├── WebhookMalformed    400, nothing stored
├── HttpFailed          an outside call failed; ``sent`` tells whether the request may have been processed
├── SendFailed          the provider did not accept a message; ``retryable`` and ``unknown`` decide what follows
├── AssistantFailed     an assistant did not answer; ``retryable`` decides about the one retry
├── TurnFailed          a hook wants the turn to end with the failure message
├── LogFailed           a ``logged`` hook could not pass an event on; ``retryable`` decides about further attempts
├── ContractError       what a webhook put in place of a request or answer is not what the message contract says
├── AuthenticationFailed  no credentials could be had for an outgoing call, which is then not made
├── MediaFailed         an attachment could not be fetched or kept; the turn goes on without it
└── LeaseLost           another worker has taken the lane; this one stops where it is
"""

from __future__ import annotations


class HubError(Exception):
    """Base of all errors of the hub. Its text is one sentence for the person who runs the hub."""


class ConfigError(HubError):
    """A setting is missing or wrong. The sentence names its exact key."""


class SchemaOutdated(HubError):
    """The database schema is not the one this version needs. The sentence holds the command to run."""


class WebhookRefused(HubError):
    """The request does not prove that it comes from the provider, or is not meant for this integration: 403."""


class WebhookMalformed(HubError):
    """The request cannot be understood: 400."""


class HttpFailed(HubError):
    """An outside HTTP call gave no usable answer.

    :param sent: False when the request surely never reached the other side (name not resolved, connection refused,
        address not allowed), True when it may have been processed.
    :param retryable: False when the same call will fail again (not an address, not allowed, answer too large).
    """

    def __init__(self, sentence: str, *, sent: bool, retryable: bool = True) -> None:
        super().__init__(sentence)
        self.sent = sent
        self.retryable = retryable


class SendFailed(HubError):
    """The provider did not accept a message.

    :param code: the provider's error code as text, or a short word of our own (``timeout``, ``reset``).
    :param retryable: a later attempt can succeed.
    :param unknown: the provider may have accepted it nevertheless; it has to be asked before anything is sent again.
    :param opted_out: the recipient has opted out at the provider.
    :param retry_after: seconds the provider asked to wait, or None.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        retryable: bool,
        unknown: bool = False,
        opted_out: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.retryable = retryable
        self.unknown = unknown
        self.opted_out = opted_out
        self.retry_after = retry_after


class AssistantFailed(HubError):
    """An assistant did not answer.

    :param code: short word or HTTP status for logs and metrics (``timeout``, ``401``).
    :param retryable: asking once more can help.
    """

    def __init__(self, code: str, sentence: str, *, retryable: bool) -> None:
        super().__init__(sentence)
        self.code = code
        self.retryable = retryable


class TurnFailed(HubError):
    """A hook wants the turn to fail: the assistant is not asked, the person gets the failure message.

    :param code: short word or status for logs and metrics, for example ``422``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class LogFailed(HubError):
    """A ``logged`` hook could not pass an event on.

    :param retryable: a later attempt can succeed.
    """

    def __init__(self, sentence: str, *, retryable: bool) -> None:
        super().__init__(sentence)
        self.retryable = retryable


class MediaFailed(HubError):
    """An attachment could not be fetched, is too large, or could not be kept.

    :param retryable: the provider said that it is not there yet (404), or could not be reached.
    """

    def __init__(self, sentence: str, *, retryable: bool) -> None:
        super().__init__(sentence)
        self.retryable = retryable


class LeaseLost(HubError):
    """Another worker holds the lane now; whatever this one still does is not kept."""
