"""OAuth tokens in use: one fetch at a time for all threads, renewed ahead of their end, kept in the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from hub import clock as wall_clock
from hub.auth.errors import AuthenticationFailed
from hub.auth.oauth import Tokens, granted, refreshed, restored, stored
from hub.auth.settings import OAuth2Auth
from hub.http import HttpClient, origin
from hub.log import get_logger

MOST_MARGIN = 60.0
SHARE_OF_LIFE = 0.2
RETRY_SECONDS = 10.0
"""How long a renewal ahead of time waits after one that failed."""

ROUNDING_SECONDS = 0.05
"""How much before a deadline a time-out may come."""


class TokenStore(Protocol):
    """Keeps tokens beyond the process, encrypted; :class:`hub.Secrets` is one."""

    def get(self, name: str) -> dict[str, Any] | None:
        """The value kept under `name`, or None."""

    def put(self, name: str, value: dict[str, Any]) -> None:
        """Keep `value` (plain JSON) under `name`, in the place of what was there."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Tokens, and when they are due for renewal and over, in seconds of the monotonic clock; None: never."""

    tokens: Tokens
    due: float | None
    ends: float | None


class OAuthTokens:
    """The tokens of one configured OAuth client; one object serves all threads.

    Several processes share the store, not a lock: each looks there before it renews, and again when its refresh token
    is refused, because another process may have used it up.

    :param name: what the tokens are kept under, and what sentences call them.
    :param store: without one, tokens last as long as the process.
    :param clock: monotonic seconds.
    """

    def __init__(
        self, settings: OAuth2Auth, http: HttpClient, name: str, store: TokenStore | None, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._http = http
        self._name = name
        self._store = store
        self._clock = clock
        self._fetching = threading.Lock()
        self._held: _Held | None = None
        self._dead: str | None = None
        self._spent: str | None = None
        self._not_before = 0.0
        self._rounds = 0
        self._failure: AuthenticationFailed | None = None

    def access(self, timeout: float) -> str:
        """An access token to send now, fetched or renewed within `timeout` seconds if need be.

        A token that is due but not over is sent while another thread renews it, or if renewing it fails.

        :raises AuthenticationFailed: there is none, and none could be had in time.
        """
        deadline = self._clock() + timeout
        if fresh := self._fresh():
            return fresh
        spare = self._valid()
        asked_in = self._rounds
        if not self._fetching.acquire(timeout=0 if spare else min(max(0.0, timeout), threading.TIMEOUT_MAX)):
            if spare:
                return spare
            raise self._late()
        try:
            if fresh := self._fresh():
                return fresh
            if self._failure and self._rounds != asked_in:
                raise self._failure.again()
            return self._fetch(deadline, spare)
        finally:
            self._fetching.release()

    def forget(self, access: str | None) -> None:
        """`access` was refused: do not send it again. A token that has replaced it meanwhile stays."""
        self._dead = access

    def known(self) -> list[str]:
        """The tokens in use and the one that was refused last."""
        held = self._held
        tokens = [held.tokens.access, held.tokens.refresh] if held else []
        return [token for token in (*tokens, self._dead) if token]

    def _fetch(self, deadline: float, spare: str | None) -> str:
        """One renewal, whose failure also holds for those who have waited for it, unless it only ran out of time."""
        self._failure = None
        try:
            # What is left after a renewal that was not urgent belongs to the call itself.
            self._renew(self._clock() + (deadline - self._clock()) / 2 if spare else deadline)
        except AuthenticationFailed as failure:
            if spare and self._valid() == spare:
                self._not_before = self._clock() + RETRY_SECONDS
                return spare
            if self._clock() < deadline - ROUNDING_SECONDS:
                self._failure = failure
            raise
        finally:
            self._rounds += 1
        if self._held is None:
            raise self._late()
        return self._held.tokens.access

    def _renew(self, deadline: float) -> None:
        """By what the store has, by the refresh token, by a new grant, in this order."""
        if self._adopt(lambda found, ours: found.obtained_at > ours.obtained_at) and self._fresh():
            return
        refresh = self._held.tokens.refresh if self._held else None
        browser = self._settings.grant == "authorization_code"
        if refresh and refresh != self._spent:
            try:
                self._take(refreshed(self._settings, self._http, refresh, self._left(deadline)))
                return
            except AuthenticationFailed as failure:
                if not failure.refused:
                    raise
                if self._adopt(lambda found, ours: found.refresh != ours.refresh) and self._fresh():
                    return
                if browser:
                    raise self._not_granted(f"is granted no longer: {failure}") from None
                self._spent = refresh
        if browser:
            raise self._not_granted(
                "has not been granted yet" if self._held is None else "has a grant that cannot be renewed"
            )
        self._take(granted(self._settings, self._http, self._left(deadline)))

    def _take(self, tokens: Tokens) -> None:
        """Use `tokens` from now on, and keep them where they could not be asked for again."""
        self._dead = None  # a server may give the same token twice; whether it still refuses it will show
        self._hold(tokens, 0.0)
        if self._store is None or not (tokens.refresh or self._settings.grant == "authorization_code"):
            return
        try:
            self._store.put(self._name, stored(self._settings, tokens))
        except Exception as error:
            # They are good all the same, and a refresh token that was replaced works only in its new form.
            get_logger().error("token_not_kept", name=self._name, error=type(error).__name__)

    def _hold(self, tokens: Tokens, age: float) -> None:
        life = tokens.expires_in
        if life is None:
            self._held = _Held(tokens, None, None)
            return
        ends = self._clock() + life - age
        self._held = _Held(tokens, ends - min(MOST_MARGIN, SHARE_OF_LIFE * life), ends)

    def _adopt(self, better: Callable[[Tokens, Tokens], bool]) -> bool:
        """Use the tokens in the store if there are none here, or they are `better` than those here."""
        if self._store is None:
            return False
        try:
            found = restored(self._settings, self._store.get(self._name))
        except Exception as error:
            sentence = f"the stored token of {self._name} cannot be read ({type(error).__name__})"
            raise AuthenticationFailed(sentence, retryable=True) from None
        if found is None or not (self._held is None or better(found, self._held.tokens)):
            return False
        self._hold(found, max(0.0, wall_clock.now().timestamp() - found.obtained_at))
        return True

    def _valid(self) -> str | None:
        """The access token, unless it is over or was refused."""
        held = self._held
        if held is None or held.tokens.access == self._dead or (held.ends is not None and self._clock() >= held.ends):
            return None
        return held.tokens.access

    def _fresh(self) -> str | None:
        """The access token, if it is valid and its renewal can wait."""
        held = self._held
        if held is not None and held.due is not None and self._clock() >= max(held.due, self._not_before):
            return None
        return self._valid()

    def _left(self, deadline: float) -> float:
        left = deadline - self._clock()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> AuthenticationFailed:
        return AuthenticationFailed(f"{origin(self._settings.token_url)} did not answer in time", retryable=True)

    def _not_granted(self, why: str) -> AuthenticationFailed:
        command = f"hub grant {self._name.replace('.', ' ')}"
        return AuthenticationFailed(f"{self._name} {why}: run {command}", retryable=False)
