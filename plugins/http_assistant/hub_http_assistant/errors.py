"""What went wrong between the hub and the assistant, as the host's ``AssistantFailed``.

Of a URL, sentences show scheme, host and port only: paths and queries may hold secrets.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from hub import AssistantFailed, HttpFailed, HttpResponse

_LONGEST = 300
_MASK = "***"


def origin(url: str) -> str:
    """Scheme, host and port of `url`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def refused(who: str, response: HttpResponse, body: Any, secrets: Iterable[str]) -> AssistantFailed:
    """An answer that is not a 2xx: 429 and 5xx are worth one more try, nothing else is.

    :param body: the answer as JSON, or None.
    :param secrets: what must not appear in the sentence even when the assistant repeats it.
    """
    status = response.status
    if 300 <= status <= 399:
        return AssistantFailed(str(status), f"{who} answered {status}; redirects are not followed", retryable=False)
    sentence = f"{who} answered {status}: {clean(_reason(status, body), secrets)}"
    return AssistantFailed(str(status), sentence, retryable=status == 429 or status >= 500)


def unusable(who: str, what: str) -> AssistantFailed:
    """A 2xx answer that is no message response; asking again would not change it."""
    return AssistantFailed("answer", f"{who} answered {what}", retryable=False)


def late(who: str) -> AssistantFailed:
    """The time-out has passed."""
    return AssistantFailed("timeout", f"{who} did not answer in time", retryable=True)


def broken(who: str, error: HttpFailed, secrets: Iterable[str]) -> AssistantFailed:
    """A call without a usable answer, in time: no connection, a broken one, an answer over the hub's limit."""
    if error.sent and not error.retryable:
        return AssistantFailed("answer", f"{who} gave no usable answer: {clean(str(error), secrets)}", retryable=False)
    sentence = f"{who} cannot be reached: {clean(str(error), secrets)}"
    return AssistantFailed("unreachable", sentence, retryable=error.retryable)


def clean(text: str, secrets: Iterable[str]) -> str:
    """One line of at most 300 characters without secrets."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return " ".join(text.split())[:_LONGEST]


def _reason(status: int, body: Any) -> str:
    """The error text of a body: ``errors[0].message``, ``error``, ``message``, ``errorMessage``, else the HTTP phrase
    (message contract, errors)."""
    if isinstance(body, dict):
        errors = body.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else None
        nested = first.get("message") if isinstance(first, dict) else None
        for text in (nested, body.get("error"), body.get("message"), body.get("errorMessage")):
            if isinstance(text, str) and text.strip():
                return text
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
