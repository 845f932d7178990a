"""The simulator inside a test process: real HTTP on a free port, with direct access to what happened.

with RunningSimulator(message_url=hub_url + "/webhooks/support-sms/message") as twilio:
    twilio.text("+15550000002", twilio.number, "hello")
    answers = twilio.wait_for(lambda messages: [m for m in messages if m.direction != "inbound"])
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from hub_simulator import behaviour
from hub_simulator.httpd import Httpd
from hub_simulator.messages import Message
from hub_simulator.server import create_app
from hub_simulator.settings import Settings
from hub_simulator.simulator import Alert, Simulator

T = TypeVar("T")


class RunningSimulator:
    """A simulator that runs between `with` and its end. Keyword arguments are those of `Settings`."""

    def __init__(self, **settings: Any) -> None:
        self._httpd = Httpd()
        self.settings = Settings(**{"public_url": self._httpd.url, **settings})
        app = create_app(self.settings)
        self._httpd.app = app
        self.simulator: Simulator = app.extensions["simulator"]
        self._thread = threading.Thread(
            target=self._httpd.serve_forever, kwargs={"poll_interval": 0.05}, name="simulator-http", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.simulator.close()
        self._httpd.shutdown()
        self._httpd.server_close()

    @property
    def url(self) -> str:
        """Where the simulator listens: the `base_url` of a channel that should use it."""
        return self._httpd.url

    @property
    def account_sid(self) -> str:
        """The simulated account."""
        return self.settings.account_sid

    @property
    def auth_token(self) -> str:
        """Its token, which signs the webhooks."""
        return self.settings.auth_token

    @property
    def number(self) -> str:
        """The account's first number."""
        return self.settings.numbers[0]

    @property
    def debugger(self) -> list[Alert]:
        """What Twilio would complain about, oldest first."""
        return list(self.simulator.debugger)

    def configure(
        self,
        message_url: str | None = None,
        fallback_url: str | None = None,
        method: str | None = None,
        number: str | None = None,
    ) -> None:
        """Say where texts go: for one number, or for all."""
        for each in [number] if number else self.settings.numbers:
            self.simulator.configure(each, message_url, fallback_url, method)

    def behave(self, **document: Any) -> None:
        """Replace the behaviour document; without arguments, stop misbehaving."""
        self.simulator.behaviour.set(behaviour.parse(document))

    def text(
        self,
        from_: str,
        to: str | None = None,
        body: str = "",
        media: Sequence[tuple[str, bytes]] = (),
        sid: str | None = None,
        wait: bool = True,
    ) -> Message:
        """A person texts the account; returns when the webhook was asked (see `Message.attempts`)."""
        return self.simulator.text(from_, to or self.number, body, media, sid, wait)

    def messages(self, to: str | None = None) -> list[Message]:
        """All messages, or those to one number, oldest first."""
        return [message for message in self.simulator.store.all() if to in (None, message.to)]

    def wait_for(self, predicate: Callable[[list[Message]], T], timeout: float = 5) -> T:
        """Wait until the predicate over all messages gives something true, and return that."""
        found = self.simulator.store.wait_for(predicate, timeout)
        if not found:
            seen = "\n".join(f"{m.direction} {m.from_} > {m.to} {m.status}: {m.body!r}" for m in self.messages())
            raise TimeoutError(f"not seen within {timeout} s; messages are:\n{seen or '(none)'}")
        return found

    def client(self) -> Client:
        """The provider's own SDK, talking to this simulator."""
        return Client(self.account_sid, self.auth_token, http_client=_Rewriting(self.url))


class _Rewriting(TwilioHttpClient):  # type: ignore[misc]
    """Sends the SDK's requests to another host."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=10)
        self._base = urlsplit(base)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Make a request, to our host instead of the one in the URL."""
        there = urlunsplit(urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc))
        return super().request(method, there, *args, **kwargs)
