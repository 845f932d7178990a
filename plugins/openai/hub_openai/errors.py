"""What went wrong at the endpoint, as the host's ``AssistantFailed``.

Of an error the endpoint describes, only its code and type are told: its message may repeat what people have said, or a
part of the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from hub import AssistantFailed, HttpFailed, HttpResponse

CONTEXT_TOO_LONG = "context_length_exceeded"
CONTENT_FILTER = "content_filter"
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_TOO_LONG = frozenset({CONTEXT_TOO_LONG, "exceed_context_size_error"})
_TOO_LONG_WORDS = "maximum context length"
"""What vLLM says, which has no code of its own for it."""
_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "; look at api_key",
    HTTPStatus.FORBIDDEN: "; look at api_key and what it may do",
    HTTPStatus.NOT_FOUND: "; look at base_url and model",
}


def refused(who: str, response: HttpResponse, secrets: Iterable[str]) -> AssistantFailed:
    """An answer that is not a 2xx: 429 and 5xx are worth one more try, nothing else is.

    :param who: the endpoint and its address.
    :param secrets: what must not appear in the sentence even when the endpoint repeats it.
    """
    status = response.status
    try:
        error = _error(response.json())
    except (HttpFailed, RecursionError):
        error = {}
    words = _words(error, secrets)
    code = str(status)
    if status == HTTPStatus.BAD_REQUEST and CONTENT_FILTER in words:
        code = CONTENT_FILTER
    elif status == HTTPStatus.BAD_REQUEST and _too_long(error):
        code = CONTEXT_TOO_LONG
    sentence = f"{who} answered {status} ({', '.join(words) or _phrase(status)}){_HINTS.get(status, '')}"
    return AssistantFailed(code, sentence, retryable=status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500)


def unusable(who: str, what: str, body: Any = None, secrets: Iterable[str] = ()) -> AssistantFailed:
    """A 2xx answer that is not what the API promises; asking again would not change it.

    :param body: the answer; some endpoints describe an error in it.
    """
    words = _words(_error(body), secrets) if isinstance(body, dict) and "error" in body else []
    described = f" ({', '.join(words)})" if words else ""
    return AssistantFailed("answer", f"{who} answered {what}{described}", retryable=False)


def broken(who: str, error: HttpFailed, late: bool, secrets: Iterable[str]) -> AssistantFailed:
    """A call without an answer: time-out, no connection, broken connection, an answer over the hub's limit.

    :param late: the time-out has passed, whatever else the error says.
    """
    if late:
        return AssistantFailed("timeout", f"{who} did not answer in time", retryable=True)
    reason = str(error)
    for secret in secrets:
        reason = reason.replace(secret, "***")
    if error.sent and not error.retryable:
        return AssistantFailed("answer", f"{who} gave no usable answer: {reason}", retryable=False)
    return AssistantFailed("connection", f"{who} did not answer: {reason}", retryable=error.retryable)


def _error(body: Any) -> dict[str, Any]:
    """The description of an error in a body: ``{"error": {…}}``, the same in a list, or without ``error``."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, dict) else body


def _words(error: dict[str, Any], secrets: Iterable[str]) -> list[str]:
    """Code and type of an error, as far as they are short identifiers and hold no secret."""
    found = [error.get(name) for name in ("code", "type")]
    words = [word for word in found if isinstance(word, str) and _WORD.fullmatch(word)]
    hidden = list(secrets)
    return list(dict.fromkeys(word for word in words if not any(secret in word for secret in hidden)))


def _too_long(error: dict[str, Any]) -> bool:
    """Whether the conversation is longer than the model can take; not every server has a code for it."""
    found = [error.get(name) for name in ("code", "type")]
    message = error.get("message")
    named = any(isinstance(word, str) and word in _TOO_LONG for word in found)
    return named or (isinstance(message, str) and _TOO_LONG_WORDS in message)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
