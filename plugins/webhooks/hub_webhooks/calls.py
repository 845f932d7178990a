"""One call of a webhook: headers, authentication, time-out, and what counts as an answer."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from typing import Any

from hub import AuthenticationFailed, Authenticator, AuthSettings, HttpFailed, HttpResponse, Services
from hub_webhooks.errors import INVALID_JSON, NOT_VALID, UNREACHABLE, WebhookFailed, bad_status, timed_out
from hub_webhooks.masking import masked, private_parts
from hub_webhooks.merge import too_deep
from hub_webhooks.settings import SENDABLE, WebhookSettings

MOST_KEPT = 1000
PUBLIC_HEADERS = frozenset({"accept", "content-type"})
ROUNDING_SECONDS = 0.05


class Authenticators:
    """One authenticator for each assistant's webhook, so that an OAuth token serves many calls.

    Other settings, or another HTTP client, make a new one; of the least recently used ones the oldest are forgotten.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[AuthSettings, Services, Authenticator]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, name: str, wanted: AuthSettings, services: Services) -> Authenticator:
        """The authenticator of the webhook `name` (see :func:`authentication_name`) for the settings `wanted`."""
        with self._lock:
            kept = self._kept.get(name)
            if kept and kept[0] == wanted and kept[1].http is services.http:
                self._kept.move_to_end(name)
                return kept[2]
            made = Authenticator(wanted, services.http, name=name, tokens=services.secrets)
            self._kept[name] = (wanted, services, made)
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return made


_authenticators = Authenticators()


def authentication_name(assistant: str, section: str) -> str:
    """The name under which an OAuth token of an assistant's webhook is kept: ``support.premessage``."""
    return f"{assistant}.{section}"


class Call:
    """A webhook ready to be called.

    :param section: ``premessage``, ``postmessage`` or ``log``.
    """

    def __init__(self, settings: WebhookSettings, assistant: str, section: str, services: Services) -> None:
        self._settings = settings
        self._http = services.http
        self._custom = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._authenticator: Authenticator | None = None
        wanted = settings.signs_with
        if not self._replaced(wanted):
            self._authenticator = _authenticators.of(authentication_name(assistant, section), wanted, services)
        self.sent_headers: dict[str, str] = {}

    def post(self, body: dict[str, Any]) -> HttpResponse:
        """POST `body` as JSON; returns the answer, whatever its status.

        There is one attempt, and a second one only after a 401 when the token could be renewed. The time-out is for
        all of it, signing in included.

        :raises WebhookFailed: there is no answer.
        """
        deadline = time.monotonic() + self._settings.timeout
        response = self._once(body, deadline)
        if response.status == 401 and self._authenticator is not None and self._authenticator.refused():
            response = self._once(body, deadline)
        return response

    def secrets(self) -> list[str]:
        """What must not be shown: the values of custom headers, and what authentication knows and sends."""
        known = self._authenticator.secrets() if self._authenticator is not None else []
        sent = [value for name, value in self.sent_headers.items() if name.lower() not in PUBLIC_HEADERS]
        bare = [
            value.rpartition(" ")[2] for name, value in self.sent_headers.items() if name.lower() == "authorization"
        ]
        return [*self._custom.values(), *known, *sent, *bare]

    def _replaced(self, wanted: AuthSettings) -> bool:
        """Whether a custom header stands in the place of the header that authentication would send."""
        header = wanted.name if wanted.type == "api_key" else "Authorization"
        return wanted.type == "none" or header.lower() in {name.lower() for name in self._custom}

    def _once(self, body: dict[str, Any], deadline: float) -> HttpResponse:
        try:
            headers = self._headers(deadline)
            left = self._left(deadline)
            return self._http.request("POST", self._settings.url, headers=headers, json=body, timeout=left)
        except HttpFailed as error:
            raise self._failure(error, deadline) from None
        except AuthenticationFailed as error:
            if time.monotonic() >= deadline - ROUNDING_SECONDS:
                raise timed_out(self._settings.timeout) from None
            detail = self._clean(str(error))
            sentence = f"Webhook authentication failed: {detail}"
            raise WebhookFailed("422", sentence, retryable=error.retryable) from None
        except ValueError:
            # Half a surrogate pair, which no UTF-8 can hold; the error itself would quote the message.
            raise WebhookFailed("500", "The message cannot be written as UTF-8 for the webhook") from None

    def _headers(self, deadline: float) -> dict[str, str]:
        """Custom headers win over those of authentication, and both over the hub's own, whatever the case."""
        signed = self._authenticator.headers(self._left(deadline)) if self._authenticator is not None else {}
        headers = {"accept": ("Accept", "application/json"), "content-type": ("Content-Type", "application/json")}
        for name, value in (*signed.items(), *self._custom.items()):
            spelt = headers.get(name.lower(), ("User-Agent" if name.lower() == "user-agent" else name, ""))[0]
            headers[name.lower()] = (spelt, value)
        self.sent_headers = dict(headers.values())
        if not all(SENDABLE.fullmatch(value) for value in self.sent_headers.values()):
            raise WebhookFailed("500", "The webhook's authentication holds a character that no header can hold")
        return self.sent_headers

    def _left(self, deadline: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise timed_out(self._settings.timeout)
        return left

    def _failure(self, error: HttpFailed, deadline: float) -> WebhookFailed:
        """What the HTTP client says, in the words of the contract."""
        detail = self._clean(str(error))
        if not error.sent:
            if error.retryable:
                return WebhookFailed("500", UNREACHABLE, detail=detail, retryable=True)
            return WebhookFailed("500", f"{UNREACHABLE}: {detail}")
        if not error.retryable:
            return WebhookFailed("422", f"Webhook responded with more than {self._http.max_bytes} bytes", detail=detail)
        if time.monotonic() >= deadline - ROUNDING_SECONDS:
            return timed_out(self._settings.timeout)
        return WebhookFailed("500", UNREACHABLE, detail=detail, retryable=True)

    def _clean(self, text: str) -> str:
        return masked(text, [*self.secrets(), *private_parts(self._settings.url)])


def accepted(response: HttpResponse) -> HttpResponse:
    """`response`, if its status is a 2xx.

    :raises WebhookFailed: it is another; redirects are not followed.
    """
    if not 200 <= response.status <= 299:
        raise bad_status(response.status)
    return response


def json_object(response: HttpResponse) -> dict[str, Any]:
    """The object that an answer's body is.

    :raises WebhookFailed: it is not JSON, not an object, nested too deep, or holds what cannot be passed on: a number
        beyond all bounds, or half a surrogate pair.
    """
    try:
        value = json.loads(response.body)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise WebhookFailed("422", INVALID_JSON) from None
    if not isinstance(value, dict) or too_deep(value):
        raise WebhookFailed("422", NOT_VALID)
    return value


def payload_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The ``payload`` of an answer; other parts, such as the event sent back, are passed over.

    :raises WebhookFailed: there is none.
    """
    payload = answer.get("payload")
    if not isinstance(payload, dict):
        raise WebhookFailed("422", NOT_VALID)
    return payload
