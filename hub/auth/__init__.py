"""How the hub proves who it is on its outgoing calls: settings, headers, and the OAuth 2.0 tokens behind them."""

from hub.auth.authenticator import Authenticator
from hub.auth.errors import AuthenticationFailed
from hub.auth.oauth import authorization_url, exchange_code
from hub.auth.settings import ApiKeyAuth, AuthSettings, BasicAuth, BearerAuth, JwtAuth, NoAuth, OAuth2Auth
from hub.auth.tokens import TokenStore

__all__ = [
    "ApiKeyAuth",
    "AuthSettings",
    "AuthenticationFailed",
    "Authenticator",
    "BasicAuth",
    "BearerAuth",
    "JwtAuth",
    "NoAuth",
    "OAuth2Auth",
    "TokenStore",
    "authorization_url",
    "exchange_code",
]
