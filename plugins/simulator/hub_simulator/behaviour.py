"""Failures on demand: one document that says how this Twilio misbehaves, replaced as a whole while it runs."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Operation = Literal["create", "list", "fetch", "update", "delete", "media", "any"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Match(_Part):
    """Which messages are meant; what is not given matches all."""

    to: str | None = None
    from_: str | None = Field(default=None, alias="from")
    body: str | None = None
    body_contains: str | None = None

    def fits(self, to: str, from_: str, body: str) -> bool:
        """Whether a message is meant."""
        return (
            self.to in (None, to)
            and self.from_ in (None, from_)
            and self.body in (None, body)
            and (self.body_contains is None or self.body_contains in body)
        )


class Rule(_Part):
    """What happens to REST requests instead of, or before, the normal answer."""

    on: Operation = "create"
    match: Match = Match()
    times: int | None = Field(default=None, ge=1)
    """How often, None for always."""
    do: Literal["status", "hang", "reset", "slow"]
    status: int = Field(default=503, ge=400, le=599)
    code: int | None = None
    """Twilio's code in the error body; by default the one that goes with the status."""
    seconds: float = Field(default=0, ge=0, le=600)
    """How long to hang or to be slow."""
    accept: bool = False
    """Do what was asked for before failing: the client cannot know that its message was taken."""
    headers: dict[str, str] = {}
    """Extra headers of a `status` answer, such as Retry-After."""


class Final(_Part):
    """Messages that do not end as `delivered`."""

    match: Match = Match()
    times: int | None = Field(default=None, ge=1)
    status: Literal["sent", "delivered", "undelivered", "failed"]
    code: int | None = None


class Callbacks(_Part):
    """How status callbacks are sent."""

    delay: float = Field(default=0.15, ge=0, le=60)
    """Seconds between two statuses."""
    disorder: bool = False
    """Last status first."""
    loss: float = Field(default=0, ge=0, le=1)
    """Share of callbacks that are never sent."""
    duplicates: float = Field(default=0, ge=0, le=1)
    """Share of callbacks that are sent twice."""
    final: tuple[Final, ...] = ()


class MediaAccess(_Part):
    """How media that persons sent can be fetched."""

    auth: bool = False
    """Demand Basic auth (Twilio: "HTTP basic auth for media")."""
    not_found_times: int = Field(default=0, ge=0)
    """How many requests for each medium answer 404 first, as if it were not stored yet."""


class Signature(_Part):
    """How webhooks are signed."""

    algorithm: Literal["sha1", "sha256"] = "sha1"
    key: str = "webhooks_sharedkey_00000000000000000000000000"
    secret: str = "simulated-shared-key"  # noqa: S105 - opens nothing
    """SharedKey for sha256; with sha1 the account's auth token signs."""
    valid: bool = True
    """False signs with a wrong secret."""


class OptOut(_Part):
    """How Twilio handles STOP, START and HELP."""

    advanced: bool = False
    """Advanced Opt-Out: webhooks carry OptOutType."""


class Behaviour(_Part):
    """The whole document; `{}` is a Twilio without faults."""

    rules: tuple[Rule, ...] = ()
    callbacks: Callbacks = Callbacks()
    media: MediaAccess = MediaAccess()
    signature: Signature = Signature()
    opt_out: OptOut = OptOut()


class BehaviourError(ValueError):
    """The document has a key or value that does not belong there; the text names it."""


def parse(document: object) -> Behaviour:
    """Check a behaviour document."""
    try:
        return Behaviour.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "document"
        raise BehaviourError(f"{where}: {first['msg']}") from None


Counted = TypeVar("Counted", Rule, Final)


class BehaviourBox:
    """The behaviour in force, with how often each of its rules has been used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(0)
        self.set(Behaviour())

    def set(self, behaviour: Behaviour) -> None:
        """Replace the behaviour; counting starts anew."""
        with self._lock:
            self._behaviour = behaviour
            self._used: dict[int, int] = {}
            self._media_asked: dict[str, int] = {}

    @property
    def current(self) -> Behaviour:
        """The behaviour in force."""
        return self._behaviour

    def rule(self, operation: Operation, to: str, from_: str, body: str) -> Rule | None:
        """The first rule that applies to this request; uses one of its times."""
        with self._lock:
            rules = [rule for rule in self._behaviour.rules if rule.on in (operation, "any")]
            return self._take(rules, to, from_, body)

    def final(self, to: str, from_: str, body: str) -> Final | None:
        """How this message ends, if not well; uses one of its times."""
        with self._lock:
            return self._take(self._behaviour.callbacks.final, to, from_, body)

    def media_is_missing(self, sid: str) -> bool:
        """Whether this request for a medium comes too early; counts it."""
        with self._lock:
            asked = self._media_asked.get(sid, 0)
            if asked >= self._behaviour.media.not_found_times:
                return False
            self._media_asked[sid] = asked + 1
            return True

    def copies(self) -> int:
        """How often the next callback is sent: 0 if lost, 2 if duplicated."""
        callbacks = self._behaviour.callbacks
        with self._lock:
            if self._random.random() < callbacks.loss:
                return 0
            return 2 if self._random.random() < callbacks.duplicates else 1

    def _take(self, candidates: Sequence[Counted], to: str, from_: str, body: str) -> Counted | None:
        for candidate in candidates:
            used = self._used.get(id(candidate), 0)
            if candidate.match.fits(to, from_, body) and (candidate.times is None or used < candidate.times):
                self._used[id(candidate)] = used + 1
                return candidate
        return None
