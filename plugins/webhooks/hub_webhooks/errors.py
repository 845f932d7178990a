"""What can go wrong with a webhook, in the words of its contract (IBM: pre-message webhook, error responses)."""

from __future__ import annotations

from hub import ContractError, HubError

INVALID_JSON = "Webhook responded with invalid JSON body"
NOT_VALID = "Error validating webhook response"
LONGEST_DETAIL = 300
UNREACHABLE = "Processor Exception : [connections to all backends failing]"


class WebhookFailed(HubError):
    """One call of a webhook gave nothing that can be used. Its text is the contract's sentence.

    :param code: the status the contract gives it: ``422`` or ``500``.
    :param detail: what else the person who runs the hub should know, without bodies and secrets.
    :param retryable: a later call can succeed.
    """

    def __init__(self, code: str, sentence: str, *, detail: str = "", retryable: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        self.detail = detail
        self.retryable = retryable


def bad_status(status: int) -> WebhookFailed:
    """The webhook answered, but not with a 2xx; redirects are not followed."""
    sentence = f"Webhook responded with [{status}] status code"
    return WebhookFailed("422", sentence, retryable=status == 429 or status >= 500)


def not_valid(error: ContractError) -> WebhookFailed:
    """The webhook answered, but no message looks like this. Names in the detail are the webhook's, so it is cut."""
    return WebhookFailed("422", NOT_VALID, detail=str(error)[:LONGEST_DETAIL])


def timed_out(seconds: int) -> WebhookFailed:
    """The webhook did not answer within its time-out."""
    return WebhookFailed("422", f"Webhook timed out after {seconds} seconds", retryable=True)
