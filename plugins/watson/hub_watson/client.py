"""The service behind one assistant's settings. Importing this module imports the SDK, 13 MB and a tenth of a second."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from ibm_watson import ApiException, AssistantV2

from hub import AssistantFailed, HttpClient
from hub_watson.auth import IamTokens, authenticator
from hub_watson.deadline import Deadline
from hub_watson.errors import broken, origin, refused, unusable
from hub_watson.settings import WatsonSettings


class Service(AssistantV2):  # type: ignore[misc]
    """The SDK's service without its second configuration."""

    def configure_service(self, service_name: str) -> None:
        """Nothing. The SDK would look into ``ibm-credentials.env`` and variables such as ``ASSISTANT_DISABLE_SSL``,
        which could turn the checking of certificates off."""


Lacks = Callable[[Mapping[str, Any]], str | None]
"""What an answer lacks, for people, or None."""


def _nothing(_answer: Mapping[str, Any]) -> None:
    return None


class Client:
    """Makes the calls of one assistant; one object serves all threads.

    :param http: the hub's client, whose pools, limits and address filter hold for every call, also those to IAM.
    """

    def __init__(self, settings: WatsonSettings, http: HttpClient) -> None:
        self.who = f"watsonx Assistant at {origin(settings.url)}"
        session = http.session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # one client speaks for many people
        self._settings = settings
        self._tokens: IamTokens | None = None
        if settings.auth == "iam" and settings.api_key:
            self._tokens = IamTokens(settings.api_key.get_secret_value(), settings.iam_url, session)
        self._service = Service(settings.version, authenticator=authenticator(settings, self._tokens))
        self._service.set_service_url(settings.url)
        self._service.set_http_client(session)

    def call(
        self, method: str, path: str, body: dict[str, Any] | None, deadline: Deadline, lacks: Lacks = _nothing
    ) -> dict[str, Any]:
        """One call of the API; a token the service refuses (401) is replaced once.

        The path is ours rather than one of the SDK's methods: those know only the URLs with an environment, and one
        way for both generations of URLs is shorter than two.

        :param path: below the service URL, quoted.
        :param body: sent as JSON; None sends none.
        :param lacks: says what an answer that came in good order lacks; it is then no answer.
        :returns: the answer, empty when it has no body.
        :raises AssistantFailed: no answer in time, a status that is not 2xx (``code`` is the status), no JSON object.
        """
        try:
            return self._send(method, path, body, deadline, lacks)
        except AssistantFailed as failure:
            if failure.code != "401" or self._tokens is None:
                raise
        return self._send(method, path, body, deadline, lacks)

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, deadline: Deadline, lacks: Lacks
    ) -> dict[str, Any]:
        if self._tokens is not None:
            self._tokens.ensure(deadline)
        request = self._service.prepare_request(
            method, path, headers={"Accept": "application/json"}, params={"version": self._settings.version}, data=body
        )
        try:
            answer = self._service.send(request, timeout=deadline.left(), allow_redirects=False)
        except ApiException as error:
            raise self._refusal(error, request) from None
        except requests.RequestException as error:
            raise broken(self.who, error, deadline.passed, self._secrets()) from None
        found = self._object(answer.get_result(), answer.get_headers())
        if missing := lacks(found):
            raise unusable(self.who, missing, answer.get_headers())
        return found

    def _refusal(self, error: ApiException, request: Mapping[str, Any]) -> AssistantFailed:
        response = error.http_response
        if 200 <= response.status_code <= 299:
            return unusable(self.who, "with something that is not JSON", response.headers)
        if response.status_code == 401 and self._tokens is not None:
            self._tokens.forget(request["headers"]["Authorization"].removeprefix("Bearer "))
        return refused(self.who, response, self._secrets())

    def _object(self, result: Any, headers: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object of an answer; the SDK gives None for an empty body and the response itself for one that
        does not call itself JSON."""
        if result is None:
            return {}
        if isinstance(result, requests.Response):
            kind = headers.get("Content-Type", "no content type").partition(";")[0]
            raise unusable(self.who, f"with {kind} instead of JSON", headers)
        if not isinstance(result, dict):
            raise unusable(self.who, "with JSON that is not an object", headers)
        return result

    def _secrets(self) -> list[str]:
        """What no sentence may hold: the configured secrets, the token in use, and what Basic sign-in sends."""
        settings = self._settings
        configured = [settings.api_key, settings.password, settings.bearer_token]
        secrets = [secret.get_secret_value() for secret in configured if secret]
        if self._tokens is not None and self._tokens.access_token:
            secrets.append(self._tokens.access_token)
        if settings.basic_credentials:
            secrets.append(b64encode(":".join(settings.basic_credentials).encode()).decode())
        return secrets
