"""Webhook requests: signed, retried and redirected as Twilio does it.

Sources: Twilio, "Webhooks security" (signature) and "Webhooks connection overrides" (time-outs and retries).
"""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator  # type: ignore[import-untyped]

from hub_simulator.behaviour import BehaviourBox
from hub_simulator.exchange import Answer, ExchangeError, Patience, exchange
from hub_simulator.messages import Attempt
from hub_simulator.settings import Settings

Kind = Literal["message", "fallback", "redirect", "action", "status"]
ANSWER_LIMIT = 65_536
MAX_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Overrides:
    """The connection settings of one URL, in Twilio's names and milliseconds."""

    ct: int = 5000
    rt: int = 15_000
    tt: int = 15_000
    rc: int = 1
    rp: frozenset[str] = frozenset({"ct"})

    @classmethod
    def of(cls, fragment: str) -> Overrides:
        """Read a URL fragment; what is missing or out of range keeps its default."""
        given = dict(parse_qsl(fragment))
        ranges = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}
        numbers = {
            key: int(given[key])
            for key, (low, high) in ranges.items()
            if given.get(key, "").isdecimal() and low <= int(given[key]) <= high
        }
        policies = frozenset(given.get("rp", "ct").split(","))
        return replace(cls(), rp=policies, **numbers)

    def repeats(self, status: int | None, failure: str) -> bool:
        """Whether the policy wants another try after this outcome."""
        kind = failure or f"{(status or 0) // 100}xx"
        return kind in ("4xx", "5xx", "ct", "rt") and ("all" in self.rp or kind in self.rp)


@dataclass(frozen=True)
class Outcome:
    """What came of one webhook: the requests made, and the last answer if there was one."""

    attempts: tuple[Attempt, ...]
    answer: Answer | None
    url: str
    """Where the answer came from; relative URLs in it are resolved against this."""
    code: int | None
    """Why it failed, None if the answer can be used."""


@dataclass
class _Call:
    """The state of one webhook while its requests are made."""

    kind: Kind
    url: str
    method: str
    params: Mapping[str, str]
    overrides: Overrides
    deadline: float
    token: str
    user: str = ""
    attempts: list[Attempt] = field(default_factory=list)


class Sender:
    """Makes webhook requests in the account's name."""

    def __init__(self, settings: Settings, behaviour: BehaviourBox) -> None:
        self._settings = settings
        self._behaviour = behaviour

    def send(self, kind: Kind, url: str, params: Mapping[str, str], method: str = "POST", token: str = "") -> Outcome:
        """Ask a webhook, with the retries its URL asks for."""
        bare, user, fragment = _split(url)
        overrides = Overrides.of(fragment)
        call = _Call(
            kind,
            bare,
            method,
            params,
            overrides,
            time.monotonic() + overrides.tt / 1000,
            token or str(uuid.uuid4()),
            user,
        )
        answer: Answer | None = None
        code: int | None = None
        for _ in range(1 + overrides.rc):
            call.url, call.method = bare, method
            answer, code, failure = self._follow(call)
            if not overrides.repeats(answer.status if answer else None, failure) or time.monotonic() >= call.deadline:
                break
        return Outcome(tuple(call.attempts), answer, call.url, code)

    def _follow(self, call: _Call) -> tuple[Answer | None, int | None, str]:
        """One try, redirects included: the answer, the error code and the kind of failure."""
        for _ in range(MAX_REDIRECTS + 1):
            started = time.monotonic()
            try:
                answer = self._request(call)
            except ExchangeError as error:
                call.attempts.append(Attempt(call.kind, call.url, None, _since(started), error.code, str(error)))
                return None, error.code, error.kind
            location = answer.headers.get("location", "")
            redirected = answer.status in REDIRECTS and bool(location)
            code = None if redirected or answer.status < 400 else 11200
            call.attempts.append(Attempt(call.kind, call.url, answer.status, _since(started), code))
            if not redirected:
                return answer, code, ""
            call.url = _split(urljoin(call.url, location))[0]
            if answer.status == 303:
                call.method = "GET"
        return answer, 11215, "redirects"

    def _request(self, call: _Call) -> Answer:
        answer = self._once(call, {})
        challenge = answer.headers.get("www-authenticate", "").lower()
        if answer.status == 401 and call.user and challenge.startswith("basic"):
            # Twilio sends the credentials of a URL only when it is asked for them.
            authorization = "Basic " + b64encode(call.user.encode()).decode()
            answer = self._once(call, {"Authorization": authorization})
        return answer

    def _once(self, call: _Call, extra: Mapping[str, str]) -> Answer:
        url, body, signed = call.url, None, dict(call.params)
        headers = {"User-Agent": "TwilioProxy/1.1", "Accept": "*/*", "I-Twilio-Idempotency-Token": call.token}
        if call.method == "GET":
            url, signed = _with_query(url, call.params), {}
        else:
            body = urlencode(call.params).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        headers.update(self._sign(url, signed), **extra)
        patience = Patience(call.overrides.ct / 1000, call.overrides.rt / 1000, call.deadline)
        return exchange(call.method, url, headers, body, patience, ANSWER_LIMIT)

    def _sign(self, url: str, params: dict[str, str]) -> Iterator[tuple[str, str]]:
        """The signature headers, by the provider's own library, so that a hub is checked against that and not us."""
        how = self._behaviour.current.signature
        secret, algorithm = self._settings.auth_token, HMAC_SHA1
        if how.algorithm == "sha256":
            secret, algorithm = how.secret, HMAC_SHA256
            yield "X-Twilio-Webhooks-Signature-Settings", f"key={how.key},algorithm={algorithm}"
        validator = RequestValidator(secret if how.valid else secret + "-forged")
        yield "X-Twilio-Signature", validator.compute_signature(url, params, algorithm)


def _split(url: str) -> tuple[str, str, str]:
    """The URL as it is requested and signed, its user:password, and its fragment."""
    bare, _, fragment = url.partition("#")
    parts = urlsplit(bare)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return bare, "", fragment
    return urlunsplit(parts._replace(netloc=host)), unquote(user), fragment


def _with_query(url: str, params: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
