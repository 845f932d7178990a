"""What the acceptance tests share: a hub under gunicorn between the simulated Twilio and a stand-in of the assistant.

A person texts at the simulator, which signs a webhook of the hub; the hub asks the stand-in; the answer leaves through
Twilio's API and is looked at there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from hub_simulator.messages import FINAL, Message
from hub_simulator.testing import RunningSimulator
from signed import idle
from watson_service import Call, Reply, Step, WatsonService
from wire import Server, reply

from hub.testing import RunningHub, wait_until

ENVIRONMENT = {"environment_id": "e-1"}
FAILURE = "F!"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb004300") + bytes(64) + bytes.fromhex("ffd9")
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(64)
FILES = {
    "/shop.png": ("image/png", PNG),
    "/tour.mp4": ("video/mp4", b"a film"),
    "/hello.mp3": ("audio/mpeg", b"a sound"),
    "/logo.svg": ("image/svg+xml", b"<svg/>"),
}
"""What the web server of the assistant's author has."""


@dataclass(frozen=True)
class Line:
    """An integration with an assistant of its own; both are called `name`.

    :param assistant: settings of the assistant beside the usual. :param channel: those of the integration.
    """

    name: str
    numbers: tuple[str, ...]
    assistant: Mapping[str, Any] = field(default_factory=lambda: ENVIRONMENT)
    channel: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Site:
    """The running hub and everything around it.

    :param files: address of the web server with FILES.
    :param ends: by session of the assistant, all messages Twilio had when the hub deleted it.
    """

    hub: RunningHub
    twilio: RunningSimulator
    service: WatsonService
    files: str
    lines: dict[str, Line]
    ends: dict[str, list[Message]] = field(default_factory=dict)
    people: Iterator[int] = field(default_factory=lambda: count(1))

    def talk(self, line: str, person: str | None = None, number: int = 0) -> Talk:
        """The conversation of a person (one nobody has used yet) with one number of a line."""
        return Talk(self, person or f"+1555100{next(self.people):04}", self.lines[line].numbers[number])


@dataclass(frozen=True)
class Talk:
    """One person's conversation with one number."""

    site: Site
    person: str
    number: str

    @property
    def user(self) -> str:
        """What the assistant knows the person by."""
        return hashlib.md5(self.person.encode()).hexdigest()

    @property
    def received(self) -> list[Message]:
        """The messages the person got, oldest first."""
        return [each for each in self.site.twilio.messages(to=self.person) if each.from_ == self.number]

    @property
    def inputs(self) -> list[str]:
        """The input texts of the turns so far."""
        return [call.input["text"] for call in self.calls("message")]

    def script(self, *steps: Step, then: Iterable[Step] = ()) -> None:
        """What the assistant does in the next turns; after that it repeats what it is told."""
        self.site.service.scripts[self.user] = chain(steps, then)

    def text(self, body: str = "", media: Sequence[tuple[str, bytes]] = ()) -> Message:
        """Text, without waiting for the turn; the webhook must be answered 200."""
        message = self.site.twilio.text(self.person, self.number, body, media)
        assert [attempt.status for attempt in message.attempts] == [200]
        return message

    def says(self, body: str = "", media: Sequence[tuple[str, bytes]] = ()) -> list[str]:
        """Text, and wait until the hub has done everything that follows from it.

        :returns: the texts the person got for it, white space collapsed.
        """
        before = len(self.received)
        self.text(body, media)
        idle(self.site.hub)
        return [" ".join(message.body.split()) for message in self.received[before:]]

    def calls(self, kind: str | None = None) -> list[Call]:
        """The calls of the service about this person."""
        return self.site.service.by(self.user, kind)

    def before_end(self, session: str) -> list[str]:
        """The texts the person had got when the hub deleted `session`; waits until it does."""
        messages = wait_until(lambda: self.site.ends.get(session), what="the end of the session")
        return [message.body for message in messages if message.to == self.person]

    def ended(self) -> list[Message]:
        """The messages the person got, once Twilio knows what became of each."""
        here = self.person

        def settled(messages: list[Message]) -> bool:
            return all(message.status in FINAL for message in messages if message.to == here)

        self.site.twilio.wait_for(settled, 20)
        return self.received


def text(*texts: str) -> Reply:
    """An answer of text elements."""
    return Reply([{"response_type": "text", "text": each} for each in texts])


@contextmanager
def running(folder: Path, *lines: Line) -> Iterator[Site]:
    """A hub with these lines, until the end of the `with`."""
    numbers = tuple(number for line in lines for number in line.numbers)
    with (
        RunningSimulator(numbers=numbers) as twilio,
        WatsonService() as service,
        Server(_file) as files,
        RunningHub(folder, {"HUB_PLUGINS": "twilio,watson"}) as hub,
    ):
        common = {"url": service.url, "iam_url": service.root, "auth": "none"}
        account = {"account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "base_url": twilio.url}
        hub.apply(
            {
                "assistant": {
                    line.name: {"plugin": "watson", "settings": {**common, "assistant_id": line.name, **line.assistant}}
                    for line in lines
                },
                "integration": {
                    line.name: {
                        "channel": "sms_twilio",
                        "assistant": line.name,
                        "settings": {
                            **account, "phone_numbers": list(line.numbers), "failure_message": FAILURE, **line.channel
                        },
                    }
                    for line in lines
                },
            }
        )  # fmt: skip
        for line in lines:
            for number in line.numbers:
                twilio.configure(f"{hub.url}/webhooks/{line.name}/message", number=number)
        site = Site(hub, twilio, service, files.url, {line.name: line for line in lines})
        service.on_delete = lambda session: site.ends.update({session: twilio.messages()})
        yield site


def _file(request: bytes, _connection: Any) -> bytes:
    method, path = request.split(b" ", 2)[:2]
    if path.decode() not in FILES:
        return reply(b"", "404 Not Found")
    kind, data = FILES[path.decode()]
    answer = reply(data, Content_Type=kind)
    return answer.removesuffix(data) if method == b"HEAD" else answer
