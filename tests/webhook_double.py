"""A webhook that answers by script, and a hub whose assistants call it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from conftest import PERSON, TEST_PLUGINS
from doubles import ScriptedAssistant, texts
from hub_simulator.testing import RunningSimulator
from signed import idle, query

from hub.testing import RunningHub

PATIENCE = 60.0
FAILURE = "F!"
Table = Mapping[str, Any]


@dataclass(frozen=True)
class Got:
    """One request; `headers` as they came, names in lower case."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def header(self, name: str) -> str | None:
        """The value of a header; one that came twice is a mistake."""
        found = [value for each, value in self.headers if each == name.lower()]
        assert len(found) < 2, f"{name} came twice"
        return found[0] if found else None


Script = Callable[[Got], Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Quiet: callers that give up are part of the tests."""


class WebhookDouble:
    """Answers each path with what its script returns: a dict as JSON, bytes as such, an int as a bare status, or a
    triple of status, any of these, and headers. A path without a script changes nothing: ``{"payload": {}}``.

    :param port: where to listen; 0 takes a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.scripts: dict[str, Script] = {}
        self.released = threading.Event()
        self._calls: list[Got] = []
        self._arrived = threading.Condition()
        self._server = _Server(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def at(self, path: str) -> list[Got]:
        """The requests to one path, oldest first."""
        with self._arrived:
            return [got for got in self._calls if got.path == path]

    def wait_for(self, path: str, count: int, timeout: float = 20.0) -> list[Got]:
        """The requests to one path once there are `count`; their answers may be still to come."""
        with self._arrived:
            here = self._arrived.wait_for(lambda: sum(got.path == path for got in self._calls) >= count, timeout)
        assert here, f"{len(self.at(path))} of {count} requests to {path}"
        return self.at(path)

    def hang(self, _got: Got) -> int:
        """No answer until the test is over."""
        self.released.wait(PATIENCE)
        return 500

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, got: Got) -> tuple[int, bytes, dict[str, str]]:
        with self._arrived:
            self._calls.append(got)
            self._arrived.notify_all()
        answer = self.scripts.get(got.path, lambda _got: {"payload": {}})(got)
        status, answer, headers = answer if isinstance(answer, tuple) else (200, answer, {})
        if isinstance(answer, int):
            status, answer = answer, b""
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode(), headers

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = [(name.lower(), value) for name, value in self.headers.items()]
                status, content, more = double._answer(Got(self.command, self.path, headers, raw))
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **more}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


def repeat(request: dict[str, Any]) -> dict[str, Any]:
    """An assistant that says what it was told, and keeps its variables."""
    return {**texts(f"you said {request['input']['text']}"), "context": request["context"]}


@dataclass
class Site:
    """A running hub; each of its assistants has a number and an integration of its own, all of the same name."""

    hub: RunningHub
    twilio: RunningSimulator
    assistant: ScriptedAssistant
    hooks: WebhookDouble
    numbers: dict[str, str]

    def ask(self, name: str, body: str = "hi", media: Sequence[tuple[str, bytes]] = ()) -> list[str]:
        """The answers to a text at the assistant `name`, once the hub has nothing left to do but its logs."""
        before = len(self.answers(name))
        message = self.twilio.text(PERSON, self.numbers[name], body, media)
        assert [attempt.status for attempt in message.attempts] == [200]
        idle(self.hub)
        return self.answers(name)[before:]

    def answers(self, name: str) -> list[str]:
        return [each.body for each in self.twilio.messages(to=PERSON) if each.from_ == self.numbers[name]]

    def told(self, name: str) -> list[dict[str, Any]]:
        """What the scripted assistant `name` was asked."""

        def number(request: dict[str, Any]) -> Any:
            return request["context"]["integrations"]["text_messaging"]["assistant_phone_number"]

        return [request for request in list(self.assistant.requests) if number(request) == self.numbers[name]]

    def script(self, name: str, section: str, script: Script) -> None:
        """What a webhook answers from now on."""
        self.hooks.scripts[f"/{name}/{section}"] = script

    def calls(self, name: str, section: str) -> list[Got]:
        """What a webhook was sent."""
        return self.hooks.at(f"/{name}/{section}")

    def failures(self, name: str) -> list[tuple[str, str]]:
        """Code and sentence of each failed call of a webhook."""
        return self._reported("assistant_webhook_failed", name)

    def failed_turns(self, name: str) -> list[tuple[str, str]]:
        """Code and sentence of each failed turn."""
        return self._reported("turn_failed", name)

    def queued(self, name: str) -> list[Any]:
        """`attempts` and `due_at` of the log events that nobody has taken yet."""
        statement = (
            "SELECT attempts, due_at FROM log_event JOIN assistant ON assistant.id = assistant_id"
            " WHERE assistant.name = :name ORDER BY log_event.id"
        )
        return query(self.hub, statement, name=name)

    def _reported(self, event: str, name: str) -> list[tuple[str, str]]:
        return [(each["code"], each["reason"]) for each in self.hub.events(event) if each["assistant"] == name]


@contextmanager
def running(
    folder: Path,
    hooks: WebhookDouble,
    sections: Mapping[str, Mapping[str, Table]],
    assistants: Mapping[str, Table] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Site]:
    """A hub, until the end of the `with`.

    :param sections: by assistant and section what the table of a webhook says beside its address, which is
        ``/<assistant>/<section>`` of `hooks` unless the table has one.
    :param assistants: those that are not the scripted one.
    """
    numbers = {name: f"+1555000{4000 + position}" for position, name in enumerate(sections)}
    path = os.pathsep.join([str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")])
    variables = {"HUB_PLUGINS": "twilio,watson,scripted,webhooks", "PYTHONPATH": path, **(environment or {})}
    with (
        RunningSimulator(numbers=tuple(numbers.values())) as twilio,
        ScriptedAssistant(repeat) as assistant,
        RunningHub(folder, variables) as hub,
    ):
        scripted = {"plugin": "scripted", "settings": {"url": assistant.url}}
        account = {"account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "base_url": twilio.url}
        hub.apply(
            {
                "assistant": {
                    name: {**(assistants or {}).get(name, scripted), **_tables(name, tables, hooks)}
                    for name, tables in sections.items()
                },
                "integration": {
                    name: {
                        "channel": "sms_twilio",
                        "assistant": name,
                        "settings": {**account, "phone_numbers": [number], "failure_message": FAILURE},
                    }
                    for name, number in numbers.items()
                },
            }
        )
        for name, number in numbers.items():
            twilio.configure(f"{hub.url}/webhooks/{name}/message", number=number)
        yield Site(hub, twilio, assistant, hooks, numbers)


def _tables(name: str, tables: Mapping[str, Table], hooks: WebhookDouble) -> dict[str, Table]:
    return {
        section: {"url": f"{hooks.url}/{name}/{section}", "timeout": 10, **table} for section, table in tables.items()
    }
