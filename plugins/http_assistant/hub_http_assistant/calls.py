"""The calls of one assistant: headers, authentication, time-out, and what counts as an answer."""

from __future__ import annotations

import json
import time
from typing import Any

from hub import (
    AssistantFailed,
    AuthenticationFailed,
    Authenticator,
    HttpFailed,
    HttpResponse,
    NoAuth,
    OAuth2Auth,
    Services,
)
from hub_http_assistant.errors import broken, clean, late, origin, refused, unusable
from hub_http_assistant.settings import HttpAssistantSettings

ROUNDING_SECONDS = 0.05


class Calls:
    """Calls one assistant; one object serves all threads.

    OAuth tokens are kept under the assistant's name, which only a turn tells.

    :param services: the HTTP client, and where the tokens of an OAuth grant are kept.
    """

    def __init__(self, settings: HttpAssistantSettings, services: Services) -> None:
        self.who = f"the assistant at {origin(settings.url)}"
        self._settings = settings
        self._services = services
        self._custom = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._authenticators: dict[str, Authenticator] = {}

    @property
    def granted_in_browser(self) -> bool:
        """Whether the credentials are those of ``hub grant``."""
        auth = self._settings.auth
        return isinstance(auth, OAuth2Auth) and auth.grant == "authorization_code"

    def ask(self, body: dict[str, Any], assistant: str, seconds: float) -> dict[str, Any]:
        """POST a message request; returns the message response.

        There is one attempt, and a second one only after a 401 when the token could be renewed.

        :param assistant: its name in the configuration.
        :param seconds: for all of it, signing in included.
        :raises AssistantFailed: no answer in time, a status that is not 2xx, not an object with an ``output`` object.
        """
        signer = self._signer(assistant)
        response = self._send("POST", body, signer, seconds)
        answer = _json(response)
        if not 200 <= response.status <= 299:
            raise refused(self.who, response, answer, self._secrets(signer))
        if answer is None:
            kind = response.headers.get("content-type", "no content type").partition(";")[0]
            raise unusable(self.who, f"with something that is not JSON ({clean(kind, ())})")
        if not isinstance(answer, dict):
            raise unusable(self.who, "with JSON that is not an object")
        if not isinstance(answer.get("output"), dict):
            raise unusable(self.who, "without an output object")
        return answer

    def reach(self, seconds: float) -> int:
        """Ask with OPTIONS, which runs no conversation (RFC 9110, safe methods); returns the status. Credentials that
        were granted in a browser are not sent: they belong to a name that is not known here.

        :raises AssistantFailed: no answer, the credentials are refused, or a proxy says that nobody is there.
        """
        auth = NoAuth(type="none") if self.granted_in_browser else self._settings.auth
        signer = Authenticator(auth, self._services.http, name=self.who)
        response = self._send("OPTIONS", None, signer, seconds)
        failures = (502, 503, 504) if self.granted_in_browser else (401, 403, 502, 503, 504)
        if response.status in failures:
            raise refused(self.who, response, _json(response), self._secrets(signer))
        return response.status

    def _signer(self, assistant: str) -> Authenticator:
        """One for all turns of the assistant, so that an OAuth token serves many."""
        known = self._authenticators.get(assistant)
        if known is None:
            services = self._services
            made = Authenticator(self._settings.auth, services.http, name=assistant, tokens=services.secrets)
            known = self._authenticators.setdefault(assistant, made)
        return known

    def _send(self, method: str, body: dict[str, Any] | None, signer: Authenticator, seconds: float) -> HttpResponse:
        deadline = time.monotonic() + seconds
        response = self._once(method, body, signer, deadline)
        if response.status == 401 and signer.refused():
            response = self._once(method, body, signer, deadline)
        return response

    def _once(self, method: str, body: dict[str, Any] | None, signer: Authenticator, deadline: float) -> HttpResponse:
        http, url = self._services.http, self._settings.url
        try:
            headers = self._headers(signer.headers(self._left(deadline)))
            return http.request(method, url, headers=headers, json=body, timeout=self._left(deadline))
        except HttpFailed as error:
            if error.retryable and time.monotonic() >= deadline - ROUNDING_SECONDS:
                raise late(self.who) from None
            raise broken(self.who, error, self._secrets(signer)) from None
        except AuthenticationFailed as error:
            sentence = f"signing in for {self.who} failed: {clean(str(error), self._secrets(signer))}"
            raise AssistantFailed("auth", sentence, retryable=error.retryable) from None
        except ValueError:
            # Half a surrogate pair, which no UTF-8 can hold; the error itself would quote the message.
            sentence = f"the request for {self.who} cannot be written as UTF-8"
            raise AssistantFailed("request", sentence, retryable=False) from None

    def _headers(self, signed: dict[str, str]) -> dict[str, str]:
        """Custom headers win over those of authentication, whatever the case of their names."""
        found = {"accept": ("Accept", "application/json")}
        for name, value in (*signed.items(), *self._custom.items()):
            # The HTTP client's own, which only this spelling replaces.
            found[name.lower()] = ("User-Agent" if name.lower() == "user-agent" else name, value)
        return dict(found.values())

    def _left(self, deadline: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise late(self.who)
        return left

    def _secrets(self, signer: Authenticator) -> list[str]:
        """What no sentence may hold: custom headers, what authentication knows, and the URL from its path on."""
        target = self._settings.url.removeprefix(origin(self._settings.url))
        query = target.partition("?")[2]
        return [*self._custom.values(), *signer.secrets(), *(part for part in (target, query) if part[1:])]


def _json(response: HttpResponse) -> Any:
    """The body as JSON, or None."""
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None
