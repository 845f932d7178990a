"""What makes the headers that prove who the hub is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hub.auth.oauth import basic
from hub.auth.settings import (
    ApiKeyAuth,
    AuthSettings,
    BasicAuth,
    BearerAuth,
    JwtAuth,
    NoAuth,
    OAuth2Auth,
    configured_secrets,
)
from hub.auth.tokens import OAuthTokens, TokenStore
from hub.http import HttpClient


class Authenticator:
    """Authenticates the calls to one address; one object serves all threads.

    A call is made with ``headers()``; when it comes back 401 and ``refused()`` says so, it is made once more.

    :param settings: one of ``hub.AuthSettings``.
    :param http: makes the calls to token endpoints.
    :param name: what OAuth tokens are kept under, and what sentences call them, for example ``support.premessage``.
    :param tokens: where OAuth tokens outlive the process. The grant ``authorization_code`` cannot do without.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: AuthSettings,
        http: HttpClient,
        *,
        name: str,
        tokens: TokenStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._tokens: OAuthTokens | None = None
        if isinstance(settings, OAuth2Auth):
            self._tokens = OAuthTokens(settings, http, name, tokens, clock)
        self._sent = threading.local()

    def headers(self, timeout: float) -> dict[str, str]:
        """The headers to add to one call.

        :param timeout: seconds that fetching or renewing a token may take.
        :raises AuthenticationFailed: there are no credentials to send.
        """
        match self._settings:
            case NoAuth():
                return {}
            case BasicAuth(username=username, password=password):
                return {"Authorization": basic(username, password.get_secret_value())}
            case BearerAuth(token=token):
                return {"Authorization": f"Bearer {token.get_secret_value()}"}
            case ApiKeyAuth(name=name, key=key):
                return {name: key.get_secret_value()}
            case JwtAuth(secret=secret):
                from hub.auth.signed import signed_token  # not at the top: few hubs need PyJWT

                self._sent.token = signed_token(secret.get_secret_value())
                return {"Authorization": self._sent.token}
            case OAuth2Auth(header_prefix=prefix):
                assert self._tokens is not None
                self._sent.token = self._tokens.access(timeout)
                return {"Authorization": f"{prefix} {self._sent.token}".lstrip()}

    def refused(self) -> bool:
        """The call that this thread made last came back 401: forget the access token it was made with.

        :returns: whether a second attempt can differ.
        """
        if self._tokens is None:
            return False
        if token := getattr(self._sent, "token", None):
            self._tokens.forget(token)
        return True

    def secrets(self) -> list[str]:
        """What must not be shown: configured secrets, tokens, and what Basic authentication sends."""
        known = list(configured_secrets(self._settings))
        if isinstance(self._settings, BasicAuth):
            password = self._settings.password.get_secret_value()
            known.append(basic(self._settings.username, password).removeprefix("Basic "))
        if self._tokens is not None:
            known += self._tokens.known()
        if sent := getattr(self._sent, "token", None):
            known.append(sent)
        return list(dict.fromkeys(known))
