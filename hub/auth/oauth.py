"""The OAuth 2.0 wire forms: token requests, their answers, and the page on which access is granted (RFC 6749;
IBM: webhook authentication).

oauthlib makes the requests and judges the answers. It is imported when the first token is asked for. Two of its parts
are not used: its clients, which refuse plain http whatever the hub allows, and its reading of a body, which takes any
text with an ``access_token=`` in it, such as a page of HTML, for an answer.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hub import clock
from hub.auth.errors import AuthenticationFailed
from hub.auth.settings import OAuth2Auth, configured_secrets
from hub.errors import ConfigError, HttpFailed
from hub.http import Form, HttpClient, HttpResponse, origin

MOST_BYTES = 65_536
_SENDABLE = re.compile(r"[!-~]+")
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_REFUSALS = (400, 401, 403)
_PASSING = (408, 425, 429)
_CLIENT_AT_FAULT = ("invalid_client", "unauthorized_client")
_JUDGED = ("access_token", "token_type", "error")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave.

    :param expires_in: seconds the access token lives, or None: until it is refused.
    :param obtained_at: when, in seconds of the epoch.
    """

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    expires_in: float | None
    obtained_at: float


def authorization_url(settings: OAuth2Auth, redirect_uri: str, state: str) -> str:
    """The page on which a person grants access; it sends them back to `redirect_uri` with ``code`` and `state`.

    :raises ConfigError: the grant is not ``authorization_code``.
    """
    from oauthlib.common import add_params_to_uri

    if settings.grant != "authorization_code" or settings.authorize_url is None:
        raise ConfigError(f"grant: {settings.grant} is not granted in a browser")
    wanted = [
        ("response_type", "code"),
        ("client_id", settings.client_id),
        ("redirect_uri", redirect_uri),
        ("state", state),
    ]
    if settings.scope:
        wanted.append(("scope", settings.scope))
    return str(add_params_to_uri(settings.authorize_url, wanted))


def exchange_code(
    settings: OAuth2Auth, http: HttpClient, code: str, redirect_uri: str, timeout: float
) -> dict[str, Any]:
    """Turn the `code` that came back from the authorizing page into tokens.

    :param redirect_uri: the same as in the address of that page.
    :param timeout: seconds.
    :returns: what to put into the token store, under the name of the :class:`hub.auth.Authenticator`.
    :raises AuthenticationFailed: the token endpoint gave no tokens.
    :raises ConfigError: the grant is not ``authorization_code``.
    """
    if settings.grant != "authorization_code":
        raise ConfigError(f"grant: {settings.grant} is not granted in a browser")
    return stored(settings, _ask(settings, http, settings.token_url, timeout, code=code, redirect_uri=redirect_uri))


def granted(settings: OAuth2Auth, http: HttpClient, timeout: float) -> Tokens:
    """New tokens by the configured grant, which is not ``authorization_code``; `timeout` in seconds.

    :raises AuthenticationFailed: the token endpoint gave none.
    """
    fields: dict[str, str] = {}
    if settings.grant == "password" and settings.username and settings.password:
        fields = {"username": settings.username, "password": settings.password.get_secret_value()}
    return _ask(settings, http, settings.token_url, timeout, scope=settings.scope, **fields)


def refreshed(settings: OAuth2Auth, http: HttpClient, refresh_token: str, timeout: float) -> Tokens:
    """New tokens for a refresh token, which stays unless the answer replaces it; `timeout` in seconds.

    :raises AuthenticationFailed: the token endpoint gave none; ``refused`` if it does not take the refresh token.
    """
    url = settings.refresh_url or settings.token_url
    given = _ask(settings, http, url, timeout, refresh_token=refresh_token)
    return Tokens(given.access, given.refresh or refresh_token, given.expires_in, given.obtained_at)


def stored(settings: OAuth2Auth, tokens: Tokens) -> dict[str, Any]:
    """`tokens` as plain JSON for the token store."""
    return {
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "expires_in": tokens.expires_in,
        "obtained_at": tokens.obtained_at,
        "issued_for": _issued_for(settings),
    }


def restored(settings: OAuth2Auth, value: dict[str, Any] | None) -> Tokens | None:
    """The tokens in what :func:`stored` made, or None when they belong to another client, server or scope: a refresh
    token goes to nobody but who issued it."""
    if value is None or value.get("issued_for") != _issued_for(settings):
        return None
    return Tokens(value["access_token"], value["refresh_token"], value["expires_in"], value["obtained_at"])


def basic(user: str, password: str) -> str:
    """The value of an Authorization header, in UTF-8 (RFC 7617)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _issued_for(settings: OAuth2Auth) -> str:
    about = (
        settings.grant,
        settings.token_url,
        settings.refresh_url,
        settings.client_id,
        settings.username,
        settings.custom_grant,
        sorted(settings.parameters.items()),
        settings.scope,
    )
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _ask(settings: OAuth2Auth, http: HttpClient, url: str, timeout: float, **fields: str | None) -> Tokens:
    """One token request.

    :param timeout: seconds.
    :param fields: what this request has besides grant type and client; empty ones are left out.
    """
    headers = {"Accept": "application/json"}
    secret = settings.client_secret.get_secret_value() if settings.client_secret else None
    if settings.client_auth == "basic" and settings.client_id:
        # As they are: most servers do not undo the form encoding that RFC 6749, 2.3.1 wants inside Basic.
        headers["Authorization"] = basic(settings.client_id, secret or "")
    form = _form(settings, fields)
    try:
        response = http.request("POST", url, headers=headers, form=form, timeout=timeout, max_bytes=MOST_BYTES)
    except HttpFailed as error:
        raise AuthenticationFailed(_clean(settings, str(error)), retryable=error.retryable) from None
    return _tokens(settings, url, response)


def _form(settings: OAuth2Auth, fields: dict[str, str | None]) -> Form:
    from oauthlib.oauth2.rfc6749.parameters import prepare_token_request

    in_body = settings.client_auth == "body"
    client = {"client_id": settings.client_id} if in_body else {}
    if in_body and settings.client_secret:
        client["client_secret"] = settings.client_secret.get_secret_value()
    grant: str = settings.grant
    extra: dict[str, str] = {}
    if "refresh_token" in fields:
        grant = "refresh_token"
    elif settings.grant == "custom":
        grant = settings.custom_grant or ""
        extra = {name: value.get_secret_value() for name, value in settings.secrets.items()} | settings.parameters
    body = prepare_token_request(grant, body=urlencode(extra), include_client_id=in_body, **client, **fields)
    return parse_qsl(body, keep_blank_values=True)


def _tokens(settings: OAuth2Auth, url: str, response: HttpResponse) -> Tokens:
    """The tokens of an answer.

    :raises AuthenticationFailed: there are none. Nothing of the body is in the sentence but an OAuth error code.
    """
    from oauthlib.oauth2 import OAuth2Error, OAuth2Token
    from oauthlib.oauth2.rfc6749.parameters import validate_token_parameters

    status = response.status
    answer = _object(response)
    judged = {name: answer[name] for name in _JUDGED if answer.get(name)}
    try:
        validate_token_parameters(OAuth2Token(judged))
    except OAuth2Error as error:
        if "error" in judged:
            raise _refusal(url, status, _error_code(settings, error.error)) from None
    if not 200 <= status <= 299:
        raise _refusal(url, status, "")
    access = answer.get("access_token")
    if not isinstance(access, str) or not _SENDABLE.fullmatch(access):
        sentence = f"{origin(url)} answered {status} without an access token that can be sent"
        raise AuthenticationFailed(sentence, retryable=False)
    # One sample server of IBM's webhook documentation spells it the second way.
    refresh = answer.get("refresh_token") or answer.get("refreshToken")
    refresh = refresh if isinstance(refresh, str) else None
    return Tokens(access, refresh, _seconds(answer.get("expires_in")), clock.now().timestamp())


def _object(response: HttpResponse) -> dict[str, Any]:
    """The JSON object of an answer, empty when it is none."""
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _refusal(url: str, status: int, code: str) -> AuthenticationFailed:
    said = f"{status} ({code})" if code else str(status)
    refused = (status in _REFUSALS or 200 <= status <= 299) and code not in _CLIENT_AT_FAULT
    retryable = status >= 500 or status in _PASSING
    return AuthenticationFailed(
        f"{origin(url)} answered the token request with {said}", retryable=retryable, refused=refused
    )


def _error_code(settings: OAuth2Auth, code: object) -> str:
    """An OAuth error code that may be shown: a word that holds no secret of ours."""
    if not isinstance(code, str) or not _ERROR_CODE.fullmatch(code):
        return ""
    return "" if _clean(settings, code) != code else code


def _clean(settings: OAuth2Auth, text: str) -> str:
    for secret in configured_secrets(settings):
        text = text.replace(secret, "***") if secret else text
    return text


def _seconds(value: object) -> float | None:
    """The life of a token, as number or text; what makes no sense says nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
