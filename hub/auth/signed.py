"""Signed JSON Web Tokens. Importing this module imports PyJWT.

The contract names neither algorithm nor claims; HS256 is what public consumers verify (IBM: pre-message webhook,
``jwt.verify(token, secret)``), and the claims are ones that a consumer of signatures alone does not mind.
"""

from __future__ import annotations

import json
import uuid

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

from hub import clock
from hub.auth.errors import AuthenticationFailed

ISSUER = "assistant-hub"
LIFE_SECONDS = 300


class _AnyLength(HMACAlgorithm):
    """Whoever shares the secret has chosen its length; PyJWT would warn of a short one at every call."""

    def check_key_length(self, key: bytes) -> None:
        return None


_signer = PyJWS()
_signer.unregister_algorithm("HS256")
_signer.register_algorithm("HS256", _AnyLength(HMACAlgorithm.SHA256))


def signed_token(secret: str) -> str:
    """A token that is valid for 300 seconds from now, with an id of its own.

    :raises AuthenticationFailed: the secret is a key pair's, which must not sign as a shared secret.
    """
    issued = int(clock.now().timestamp())
    claims = {"iss": ISSUER, "iat": issued, "exp": issued + LIFE_SECONDS, "jti": uuid.uuid4().hex}
    try:
        return _signer.encode(json.dumps(claims).encode(), secret, "HS256")
    except PyJWTError:
        raise AuthenticationFailed("the secret cannot sign: it is a PEM or SSH key", retryable=False) from None
