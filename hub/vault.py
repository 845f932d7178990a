"""Secrets at rest and signed links: the first key encrypts and signs, every key decrypts and verifies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadSignature, URLSafeTimedSerializer

from hub.errors import ConfigError


class Vault:
    """Encrypts setting secrets for the store and signs the tokens of media links.

    :param keys: Fernet keys, the newest first (``HUB_SECRET_KEYS``).
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        # itsdangerous signs with the last key of its list, Fernet encrypts with the first.
        self._signer = URLSafeTimedSerializer(list(reversed(keys)), salt="hub.media")

    def seal(self, secrets: Mapping[str, Any]) -> str:
        """`secrets` (JSON values) as an encrypted text for a column."""
        return self._fernet.encrypt(json.dumps(secrets).encode()).decode()

    def open(self, sealed: str) -> dict[str, Any]:
        """What `seal` encrypted.

        :raises ConfigError: no key of ``HUB_SECRET_KEYS`` fits.
        """
        try:
            return cast(dict[str, Any], json.loads(self._fernet.decrypt(sealed.encode())))
        except InvalidToken:
            raise ConfigError("HUB_SECRET_KEYS: none of the keys decrypts the stored secrets") from None

    def reseal(self, sealed: str) -> str:
        """The same secrets encrypted with the first key.

        :raises ConfigError: no key fits.
        """
        return self.seal(self.open(sealed))

    def sign(self, value: str) -> str:
        """A URL-safe token that carries `value` and the time it was made."""
        return str(self._signer.dumps(value))

    def verify(self, token: str, max_age: float) -> str | None:
        """The value of a token not older than `max_age` seconds, or None for any other text."""
        try:
            return str(self._signer.loads(token, max_age=int(max_age)))
        except BadSignature:
            return None
