"""Signing in at the service with the SDK's authenticators, over the hub's HTTP client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import requests
from ibm_cloud_sdk_core import IAMTokenManager
from ibm_cloud_sdk_core.authenticators import (
    Authenticator,
    BasicAuthenticator,
    BearerTokenAuthenticator,
    NoAuthAuthenticator,
)
from ibm_cloud_sdk_core.authenticators.iam_request_based_authenticator import (
    IAMRequestBasedAuthenticator,
)

from hub import AssistantFailed
from hub_watson.deadline import Deadline
from hub_watson.errors import broken, origin, refused, unusable
from hub_watson.settings import WatsonSettings


class IamTokens(IAMTokenManager):  # type: ignore[misc]
    """Keeps one IAM token for all threads. The SDK's manager knows the form and the two rules of renewal: dead 10 s
    before its end, due when 80 % of its life is over. Three things are done differently here:

    * the call goes through the hub's session, not through ``requests.request``;
    * a turn waits for a token until its deadline only: the SDK's ``get_token`` polls every 0.5 s, and after one failed
      call keeps every thread waiting for 60 s;
    * a renewal ahead of time that fails is no failure.

    :param session: a session of ``hub.HttpClient``.
    """

    def __init__(self, api_key: str, url: str, session: requests.Session) -> None:
        super().__init__(api_key, url=url)
        self._session = session
        self._fetching = threading.Lock()
        self._who = f"IAM at {origin(url)}"

    def ensure(self, deadline: Deadline) -> None:
        """Have a token that is valid.

        :raises AssistantFailed: there is none and IAM gives none in time.
        """
        if self._is_token_expired():
            self._fetch(deadline, self._is_token_expired)
        elif self._token_needs_refresh():  # true for one caller a minute
            try:
                self._fetch(Deadline.after(deadline.left() / 2), lambda: True)
            except AssistantFailed:
                if self._is_token_expired():
                    raise

    def get_token(self) -> str:
        """The token that ``ensure`` has seen to; the SDK's authenticator asks for it."""
        return str(self.access_token)

    def forget(self, token: str) -> None:
        """Drop `token`, which the service refused, unless another thread has replaced it already. Without the lock:
        at worst a fresh token is fetched once more, while waiting could take longer than the turn may."""
        if self.access_token == token:
            self.expire_time = 0

    def _fetch(self, deadline: Deadline, still_needed: Callable[[], bool]) -> None:
        if not self._fetching.acquire(timeout=deadline.left()):
            raise AssistantFailed("timeout", f"{self._who} did not answer in time", retryable=True)
        try:
            if still_needed():
                self.http_config = {"timeout": deadline.left()}
                self._save_token_info(self.request_token())
        finally:
            self._fetching.release()

    def _request(
        self, method: str, url: str, *, headers: Any = None, data: Any = None, **_unused: Any
    ) -> dict[str, Any]:
        """The call behind the SDK's ``request_token``. It returns IAM's answer once that is known to hold a token."""
        seconds = self.http_config["timeout"]
        deadline = Deadline.after(seconds)
        try:
            response = self._session.request(
                method, url, headers=headers, data=data, timeout=seconds, allow_redirects=False
            )
        except requests.RequestException as error:
            raise broken(self._who, error, deadline.passed, [self.apikey]) from None
        if not 200 <= response.status_code <= 299:
            raise refused(self._who, response, [self.apikey], code="iam")
        try:
            answer: dict[str, Any] = response.json()
            _validity(answer, self._get_current_time())
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, jwt.PyJWTError):
            raise unusable(self._who, "without a token that can be used", response.headers) from None
        return answer

    def _save_token_info(self, token_response: dict[str, Any]) -> None:
        issued, expires = _validity(token_response, self._get_current_time())
        self.access_token = token_response["access_token"]
        self.refresh_time = expires - (expires - issued) // 5
        self.expire_time = expires


def _validity(answer: Mapping[str, Any], now: int) -> tuple[int, int]:
    """Epoch seconds when the token of IAM's answer was issued and when it ends: its claims ``iat`` and ``exp``; for a
    token that cannot be looked into, ``expires_in`` seconds from now."""
    token = answer["access_token"]
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return int(claims["iat"]), int(claims["exp"])
    except (KeyError, jwt.PyJWTError):
        if not isinstance(token, str) or not token:
            raise
        return now, now + int(answer["expires_in"])


class IamAuthenticator(IAMRequestBasedAuthenticator):  # type: ignore[misc]
    """The SDK's IAM authenticator over `tokens`; its own would make a manager of its own."""

    def __init__(self, tokens: IamTokens) -> None:
        self.token_manager = tokens


def authenticator(settings: WatsonSettings, tokens: IamTokens | None) -> Authenticator:
    """What signs each request as ``settings.auth`` says; the settings have seen to it that the keys are there."""
    if tokens is not None:
        return IamAuthenticator(tokens)
    if settings.auth == "basic" and settings.basic_credentials:
        return BasicAuthenticator(*settings.basic_credentials)
    if settings.auth == "bearer" and settings.bearer_token:
        return BearerTokenAuthenticator(settings.bearer_token.get_secret_value())
    return NoAuthAuthenticator()
