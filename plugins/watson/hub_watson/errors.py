"""What went wrong at the service, as the host's ``AssistantFailed``.

The sentences are made here, never taken from the SDK's or ``requests``' exceptions as they are: those carry the
request with its headers, and some quote a header's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from hub import AssistantFailed, HttpFailed

TRANSACTION_HEADER = "X-Global-Transaction-Id"
_LONGEST = 300


def origin(url: str) -> str:
    """Scheme, host and port of `url`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def refused(who: str, response: requests.Response, secrets: Iterable[str], code: str | None = None) -> AssistantFailed:
    """An answer that is not a 2xx: 429 and 5xx are worth one more try, nothing else is.

    :param who: the service and its address.
    :param secrets: what must not appear in the sentence even when the service repeats it.
    :param code: what to call it instead of the HTTP status.
    """
    status = response.status_code
    sentence = f"{who} answered {status}: {_clean(_message(response), secrets)}{_transaction(response.headers)}"
    return AssistantFailed(code or str(status), sentence, retryable=status == 429 or status >= 500)


def unusable(who: str, what: str, headers: Mapping[str, str]) -> AssistantFailed:
    """A 2xx answer that is not what the API promises; asking again would not change it."""
    return AssistantFailed("answer", f"{who} answered {what}{_transaction(headers)}", retryable=False)


def _transaction(headers: Mapping[str, str]) -> str:
    """The service's own id of the call, for its operator, or nothing."""
    identifier = headers.get(TRANSACTION_HEADER)
    return f" (transaction {_clean(identifier, ())})" if identifier else ""


def broken(who: str, error: requests.RequestException, late: bool, secrets: Iterable[str]) -> AssistantFailed:
    """A call without a usable answer: time-out, no connection, broken connection, an answer over the hub's limit.

    :param late: the time-out has passed, whatever else the error says.
    """
    if late or isinstance(error, requests.Timeout):
        return AssistantFailed("timeout", f"{who} did not answer in time", retryable=True)
    root = _root_cause(error)
    reason = _clean(str(root), secrets)
    if isinstance(root, HttpFailed) and root.sent:  # not late, so it is the limit on an answer's size
        return AssistantFailed("answer", f"{who} gave no usable answer: {reason}", retryable=False)
    return AssistantFailed("connection", f"{who} cannot be reached: {reason}", retryable=True)


def _message(response: requests.Response) -> str:
    """The error text of a body: ``errors[0].message``, ``error``, ``message``, ``errorMessage``, else the HTTP phrase
    (``ibm-cloud-sdk-core``, ``ApiException``)."""
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        first = next(iter(body["errors"]), None) if isinstance(body.get("errors"), list) else None
        nested = first.get("message") if isinstance(first, dict) else None
        for text in (nested, body.get("error"), body.get("message"), body.get("errorMessage")):
            if isinstance(text, str) and text.strip():
                return text
    try:
        return HTTPStatus(response.status_code).phrase
    except ValueError:
        return "no reason given"


def _clean(text: str, secrets: Iterable[str]) -> str:
    """One line of at most 300 characters without secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(text.split())[:_LONGEST]


def _root_cause(error: BaseException) -> BaseException:
    """The innermost error: ``requests`` and urllib3 wrap it several times."""
    while following := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = following
    return error
