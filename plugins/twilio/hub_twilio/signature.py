"""Proof that a webhook request comes from Twilio (Twilio: "Webhooks security", "Webhook shared keys", "Security").

Twilio signs the address it called, followed by the form: for each name in order of its code points, the name and each
distinct value of it in order, with nothing between. The SDK's validator follows the same rule, but raises on some
malformed requests, refuses IPv6 addresses with a port, and drops a bare ``?``; hence this one.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from hmac import compare_digest
from itertools import chain
from types import MappingProxyType

from hub import WebhookRefused

SIGNATURE = "x-twilio-signature"
SETTINGS = "x-twilio-webhooks-signature-settings"
SHARED_KEY_ALGORITHM = "HMAC_SHA256"
NO_KEYS: Mapping[str, str] = MappingProxyType({})
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_BLOCK = 64  # of SHA-1 and SHA-256 (RFC 2104)
_URL = re.compile(
    r"(?P<scheme>https?|wss?)://(?:[^@/?#]*@)?(?P<host>\[[^]@/?#]*]|[^:@/?#]*)(?P<port>:[0-9]*)?"
    r"(?P<path>(?:/[^?#]*)?)(?P<query>(?:\?[^#]*)?)(?:#|\Z)",
    re.IGNORECASE,
)
_BODY_HASH = re.compile(r"[?&]bodySHA256=([^&#]*)")


class SignatureChecker:
    """Verifies the requests of one Twilio account.

    :param tokens: auth tokens, any of which may have signed, so that a token can be replaced without a gap.
    :param shared_keys: secrets of SharedKeys by their id (``webhooks_sharedkey_…``), which sign with SHA-256.
    :raises ValueError: a secret is empty; everybody could sign with it.
    """

    def __init__(self, tokens: Sequence[str], shared_keys: Mapping[str, str] = NO_KEYS) -> None:
        if not all((*tokens, *shared_keys.values())):
            raise ValueError("a token or shared key is empty")
        self._by_token = [_signer(token, hashlib.sha1) for token in tokens]
        self._by_key = {name: [_signer(secret, hashlib.sha256)] for name, secret in shared_keys.items()}

    def verify(self, url: str, form: Sequence[tuple[str, str]] | None, body: bytes, headers: Mapping[str, str]) -> None:
        """Return if Twilio signed this request.

        :param url: the address Twilio called, with percent-escapes as they came over the wire.
        :param form: fields decoded once, None for a body of another kind, for which Twilio puts ``bodySHA256`` into
            the query.
        :param headers: names in lower case.
        :raises WebhookRefused: it did not; nothing else is raised, whatever the request holds.
        """
        signature = headers.get(SIGNATURE, "").encode("utf-8", "surrogatepass")
        if not signature:
            raise WebhookRefused(f"no X-Twilio-Signature at {_place(url)}")
        signers = self._signers(headers.get(SETTINGS, ""), url)
        tail = _joined(form) if form else ""
        if not any(
            compare_digest(sign((variant + tail).encode("utf-8", "surrogatepass")), signature)
            for variant in _variants(url)
            for sign in signers
        ):
            raise WebhookRefused(
                f"X-Twilio-Signature does not match at {_place(url)}: is the auth token the account's primary one, "
                "and is this the address configured at Twilio?"
            )
        if form is None:
            _check_body(url, body)

    def _signers(self, settings: str, url: str) -> Sequence[Callable[[bytes], bytes]]:
        """The keys that may have signed: the auth tokens, or the one the settings header names."""
        if not settings.strip():
            if not self._by_token:
                raise WebhookRefused(f"signed with an auth token, but none is configured, at {_place(url)}")
            return self._by_token
        named = dict(part.strip().partition("=")[::2] for part in settings.split(","))
        if named.get("algorithm", "").upper() != SHARED_KEY_ALGORITHM:
            raise WebhookRefused(f"signed with an algorithm other than {SHARED_KEY_ALGORITHM} at {_place(url)}")
        signers = self._by_key.get(named.get("key", ""))
        if signers is None:
            raise WebhookRefused(f"signed with a shared key that is not configured at {_place(url)}")
        return signers


def _signer(secret: str, algorithm: Callable[[bytes], hashlib._Hash]) -> Callable[[bytes], bytes]:
    """A function from a text to its signature in base64, for one key.

    HMAC as RFC 2104 writes it, with both keyed hashes made once: a third of the time of ``hmac.digest``.
    """
    key = secret.encode("utf-8", "surrogatepass")
    if len(key) > _BLOCK:
        key = algorithm(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    inner = algorithm(bytes(byte ^ 0x36 for byte in key))
    outer = algorithm(bytes(byte ^ 0x5C for byte in key))

    def sign(text: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(text)
        second.update(first.digest())
        return b2a_base64(second.digest(), newline=False)

    return sign


def _joined(form: Sequence[tuple[str, str]]) -> str:
    """The form as it is signed; equal fields count once."""
    fields = dict(form)
    if len(fields) == len(form):
        return "".join([name + fields[name] for name in sorted(fields)])
    return "".join(chain.from_iterable(sorted(set(form))))


def _variants(url: str) -> Iterator[str]:
    """The ways Twilio may have written the address it signed, the likeliest first.

    Twilio drops the port of some https requests, neither sends nor signs the fragment and ``user:password@``, and may
    have added or left out a slash after the path of a WebSocket.
    """
    yield url
    parts = _URL.match(url)
    if not parts:
        return
    scheme, host, port, path, query = parts.group("scheme", "host", "port", "path", "query")
    ports = (port, "") if port else ("", f":{DEFAULT_PORTS[scheme.lower()]}")
    paths = (path, path[:-1] if path.endswith("/") else path + "/") if scheme.lower() in ("ws", "wss") else (path,)
    for each_path in paths:
        for each_port in ports:
            variant = f"{scheme}://{host}{each_port}{each_path}{query}"
            if variant != url:
                yield variant


def _check_body(url: str, body: bytes) -> None:
    """Compare a body that is not a form with the hash of it in the signed address."""
    found = _BODY_HASH.search(url)
    if not found:
        if body:
            raise WebhookRefused(f"the body is not covered by the signature (no bodySHA256) at {_place(url)}")
        return
    expected = found.group(1).encode("utf-8", "surrogatepass")
    if not compare_digest(hashlib.sha256(body).hexdigest().encode(), expected):
        raise WebhookRefused(f"the body is not the signed one (bodySHA256 differs) at {_place(url)}")


def _place(url: str) -> str:
    """Scheme, host and path of an address for a sentence; a query or a password is nobody's business."""
    parts = _URL.match(url)
    if not parts:
        return "an address that is no URL"
    return "{scheme}://{host}{port}{path}".format_map(parts.groupdict(default=""))[:200]
