"""``hub doctor --webhooks``: one test call of each webhook over HTTP, shown without its secrets."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TEST_PLUGINS
from webhook_double import Got, WebhookDouble

from hub.testing import RunningHub, free_port

MARK = "hush"
"""Every secret of these tests holds it."""
TABLES: dict[str, dict[str, Any]] = {
    "premessage": {
        "auth": {"type": "basic", "username": "hub", "password": f"{MARK}-password"},
        "headers": {"X-Team": f"{MARK}-team"},
    },
    "postmessage": {"auth": {"type": "api_key", "name": "x-api-key", "key": f"{MARK}-key"}},
    "log": {"secret": f"{MARK}-log-0123456789-0123456789-0123456789"},
}
EVENTS = {"premessage": "message_received", "postmessage": "message_processed", "log": "message_logged"}


@pytest.fixture
def hooks() -> Iterator[WebhookDouble]:
    with WebhookDouble() as double:
        yield double


@pytest.fixture
def hub(tmp_path: Path) -> RunningHub:
    """A hub that is set up, but does not run: its commands are enough."""
    path = os.pathsep.join([str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")])
    hub = RunningHub(tmp_path, {"HUB_PLUGINS": "scripted,webhooks", "PYTHONPATH": path})
    hub.command("db", "upgrade")
    return hub


def doctor(hub: RunningHub, tables: dict[str, dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    assistant = {"plugin": "scripted", "settings": {"url": "http://127.0.0.1:9/"}}
    hub.apply({"assistant": {"support": {**assistant, **tables}}})
    done = hub.command("doctor", "--webhooks", check=False)
    assert MARK not in done.stdout + done.stderr
    return done


def at(hooks: WebhookDouble, **changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: {"url": f"{hooks.url}/{name}", **table, **changes.get(name, {})} for name, table in TABLES.items()}


def part(done: subprocess.CompletedProcess[str], section: str) -> list[str]:
    """The lines about one webhook; the first has its mark and time."""
    lines = done.stdout.splitlines()
    first = next(at for at, line in enumerate(lines) if re.match(rf". webhook +support\.{section}: ", line))
    rest = next((at for at in range(first + 1, len(lines)) if not lines[at].startswith(" ")), len(lines))
    return [lines[first], *(line.strip() for line in lines[first + 1 : rest])]


def test_it_shows_request_answer_and_time_of_each_webhook(hub: RunningHub, hooks: WebhookDouble) -> None:
    hooks.scripts["/premessage"] = lambda _got: {"payload": {"context": {"seen": "by the webhook"}}}
    done = doctor(hub, at(hooks))
    assert done.returncode == 0, done.stderr
    for section, event in EVENTS.items():
        first, *lines = part(done, section)
        assert re.fullmatch(rf"✓ webhook +support\.{section}: \d+ ms", first)
        (got,) = hooks.at(f"/{section}")
        assert got.body["event"]["name"] == event
        assert f"POST {hooks.url}/{section}" in lines
        assert "Content-Type: application/json" in lines
        assert f'"name": "{event}"' in lines
        assert "200 OK (application/json)" in lines
    assert '"seen": "by the webhook"' in part(done, "premessage")


def test_what_proves_who_the_hub_is_is_sent_but_masked(hub: RunningHub, hooks: WebhookDouble) -> None:
    def say_all(got: Got) -> Any:
        return {"payload": {"context": {"told": dict(got.headers)}}}

    hooks.scripts["/premessage"] = say_all
    done = doctor(hub, at(hooks))
    (got,) = hooks.at("/premessage")
    assert str(got.header("authorization")).startswith("Basic ")
    assert got.header("x-team") == f"{MARK}-team"
    lines = part(done, "premessage")
    assert {"Authorization: ***", "X-Team: ***"} <= set(lines)
    assert str(got.header("authorization")).split()[1] not in done.stdout
    assert '"x-team": "***",' in [line.rstrip(",") + "," for line in lines]
    assert "x-api-key: ***" in part(done, "postmessage")
    (logged,) = hooks.at("/log")
    assert str(logged.header("authorization")) not in done.stdout
    assert "Authorization: ***" in part(done, "log")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (500, "Webhook responded with [500] status code"),
        (b"<html>", "Webhook responded with invalid JSON body"),
        ({"payload": {"input": "hi"}}, "Error validating webhook response"),
    ],
)
def test_one_that_fails_is_named_with_the_reason(
    hub: RunningHub, hooks: WebhookDouble, answer: Any, sentence: str
) -> None:
    hooks.scripts["/premessage"] = lambda _got: answer
    done = doctor(hub, at(hooks))
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("hub: ")]
    assert "webhook" in error
    first, *lines = part(done, "premessage")
    assert first.startswith("✗ ")
    assert any(line.startswith(sentence) for line in lines), lines
    assert part(done, "postmessage")[0].startswith("✓ ")
    assert part(done, "log")[0].startswith("✓ ")


def test_one_that_hangs_and_one_that_nobody_answers(hub: RunningHub, hooks: WebhookDouble) -> None:
    hooks.scripts["/premessage"] = hooks.hang
    nobody = f"http://127.0.0.1:{free_port()}/log?key={MARK}"
    done = doctor(hub, at(hooks, premessage={"timeout": 1}, log={"url": nobody}))
    assert done.returncode == 1
    first, *lines = part(done, "premessage")
    assert "Webhook timed out after 1 seconds" in lines
    assert 900 <= int(first.split()[-2]) < 5000
    assert any("Processor Exception : [connections to all backends failing]" in line for line in part(done, "log"))
    assert len(hooks.at("/premessage")) == 1


def test_one_that_is_switched_off_is_not_called(hub: RunningHub, hooks: WebhookDouble) -> None:
    done = doctor(hub, {"premessage": {**at(hooks)["premessage"], "enabled": False}})
    assert done.returncode == 0, done.stderr
    assert "no assistant has a webhook" in done.stdout
    assert hooks.at("/premessage") == []


def test_without_the_option_no_webhook_is_called(hub: RunningHub, hooks: WebhookDouble) -> None:
    doctor(hub, at(hooks))
    assert hub.command("doctor").returncode == 0
    assert [len(hooks.at(f"/{section}")) for section in TABLES] == [1, 1, 1]


def test_no_webhook_at_all(hub: RunningHub) -> None:
    done = doctor(hub, {})
    assert done.returncode == 0
    assert "no assistant has a webhook" in done.stdout


def test_a_time_out_that_the_hub_would_not_wait_for_is_named(hub: RunningHub) -> None:
    hub.environment["HUB_HOOK_SECONDS"] = "5"
    table = {"url": "https://hooks.example/pre", "timeout": 6}
    hub.apply({"assistant": {"support": {"plugin": "scripted", "settings": {"url": "http://x/"}, "premessage": table}}})
    done = hub.command("doctor", check=False)
    assert done.returncode == 1
    assert "support.premessage: its time-out of 6 s is longer than HUB_HOOK_SECONDS" in done.stdout
