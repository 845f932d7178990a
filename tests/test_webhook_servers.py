"""Webhooks as a user would write them from IBM's pages work with the hub as they are: Express and Flask.

The servers stand in `webhook_servers/`. A person texts at the simulated Twilio, the hub under gunicorn calls the server
and a stand-in of the assistant, and the answer leaves through Twilio's API.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from conftest import PERSON, TEST_PLUGINS
from doubles import ScriptedAssistant, texts
from hub_simulator.testing import RunningSimulator
from PIL import Image
from signed import idle

from hub.testing import RunningHub, free_port, wait_until

SERVERS = Path(__file__).parent / "webhook_servers"
SCRATCH = Path(__file__).parent.parent / ".tmp"
"""Of the checkout, not of git; what npm installs is kept here, so that later runs need no registry."""
OLDEST_NODE = 18
BROKEN_LOCK = {"EUSAGE", "EINTEGRITY", "EJSONPARSE"}
"""Errors of `npm ci` that are the fault of our files; all others are the network's or the registry's."""
SECRET = "shared-with-the-webhook-0123456789"
OTHER_SECRET = "not-what-the-webhook-has-0123456789"
REFUSED = "Webhook responded with [401] status code"

# By assistant: the routes of its pre-message and post-message webhooks, and what else their tables say.
WEBHOOKS: dict[str, dict[str, dict[str, Any]]] = {
    "translate": {"premessage": {"route": "translate"}},
    "redact": {"premessage": {"route": "redact"}, "postmessage": {"route": "restore"}},
    "hours": {"premessage": {"route": "hours", "on_error": "fail"}},
    "picture": {"premessage": {"route": "picture", "on_error": "fail"}},
    "goes-on": {"premessage": {"route": "translate", "secret": OTHER_SECRET}},
    "fails": {"premessage": {"route": "translate", "secret": OTHER_SECRET, "on_error": "fail"}},
}
NUMBERS = {name: f"+1555000{3000 + position}" for position, name in enumerate(WEBHOOKS)}


def node_modules() -> Path:
    """The packages of the Express server, installed from its lock file; skips the test where that is impossible."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"the Express webhooks need {program}: install Node.js {OLDEST_NODE} or newer with npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the Express webhooks need Node.js {OLDEST_NODE} or newer; this is {version.strip()}")
    files = [SERVERS / "express" / name for name in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    kept = SCRATCH / f"express-{digest}"
    if not kept.is_dir():
        SCRATCH.mkdir(exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="express-", dir=SCRATCH))
        try:
            for file in files:
                shutil.copy(file, fresh)
            npm_ci(fresh)
            try:
                fresh.rename(kept)
            except OSError:
                assert kept.is_dir()  # another test process was faster
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return kept / "node_modules"


def npm_ci(folder: Path) -> None:
    """Install what the lock file in `folder` names; skips the test when the registry cannot be had."""
    command = [
        "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--cache", ".npm-cache",
        "--fetch-retries", "1", "--fetch-retry-mintimeout", "1000", "--fetch-retry-maxtimeout", "2000",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the Express webhooks need their npm packages: npm ci did not end within 240 s")
    shutil.rmtree(folder / ".npm-cache", ignore_errors=True)
    if done.returncode != 0:
        code = re.search(r"^npm (?:error|ERR!) code (\S+)", done.stderr, re.MULTILINE)
        if code and code[1] in BROKEN_LOCK:
            pytest.fail(f"npm ci: {done.stderr[-2000:]}")
        reason = code[1] if code else f"exit code {done.returncode}"
        pytest.skip(f"the Express webhooks need their npm packages: npm ci failed ({reason}); is a registry in reach?")


def express(folder: Path, port: int) -> list[str]:
    """Prepares the Express server in `folder`; returns what starts it there."""
    (folder / "node_modules").symlink_to(node_modules())
    shutil.copy(SERVERS / "express" / "server.js", folder)
    return ["node", "server.js"]


def flask(folder: Path, port: int) -> list[str]:
    """Prepares the Flask application in `folder`; returns what starts it there."""
    shutil.copy(SERVERS / "flask" / "app.py", folder)
    return [sys.executable, "-m", "flask", "--app", "app", "run", "--port", str(port)]


@contextmanager
def running(kind: str, folder: Path) -> Iterator[str]:
    """The server `kind` on a free port, as a process of its own; gives its address."""
    port = free_port()
    command = {"express": express, "flask": flask}[kind](folder, port)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "FLASK_", "NODE_"))}
    environment = {**own, "PORT": str(port), "WEBHOOK_SECRET": SECRET}
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the {kind} server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
                connection.request("GET", "/")
                return connection.getresponse().status == 401
        except (OSError, HTTPException):
            return False

    try:
        wait_until(answers, 30, f"the {kind} server")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class Site:
    """A running hub whose assistants all have webhooks at one server."""

    hub: RunningHub
    twilio: RunningSimulator
    assistants: dict[str, ScriptedAssistant]

    def ask(self, name: str, body: str = "", **more: Any) -> list[str]:
        """The answers to a text at the number of the assistant `name`, once the hub has nothing left to do."""
        before = len(self._answers(name))
        message = self.twilio.text(PERSON, NUMBERS[name], body, **more)
        assert [attempt.status for attempt in message.attempts] == [200]
        idle(self.hub)
        return self._answers(name)[before:]

    def failures(self, name: str) -> list[str]:
        """Why webhooks of the assistant `name` failed."""
        return [event["reason"] for event in self.hub.events("assistant_webhook_failed") if event["assistant"] == name]

    def _answers(self, name: str) -> list[str]:
        return [message.body for message in self.twilio.messages(to=PERSON) if message.from_ == NUMBERS[name]]


def repeat(request: dict[str, Any]) -> dict[str, Any]:
    """Says what it was told, and keeps its variables."""
    return {**texts(f"you said {request['input']['text']}"), "context": request["context"]}


def variables(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = request["context"]["skills"]["main skill"]["user_defined"]
    return found


def webhook(server: str, route: str, secret: str = SECRET, **more: Any) -> dict[str, Any]:
    """The table of a webhook."""
    return {"url": f"{server}/{route}", "timeout": 10, "auth": {"type": "jwt", "secret": secret}, **more}


def document(site: Site, server: str) -> dict[str, Any]:
    """The configuration: an assistant and an integration for each entry of WEBHOOKS."""
    account = {
        "account_sid": site.twilio.account_sid,
        "auth_tokens": [site.twilio.auth_token],
        "base_url": site.twilio.url,
        "failure_message": "F!",
    }
    return {
        "assistant": {
            name: {
                "plugin": "scripted",
                "settings": {"url": site.assistants[name].url},
                **{kind: webhook(server, **table) for kind, table in tables.items()},
            }
            for name, tables in WEBHOOKS.items()
        },
        "integration": {
            name: {"channel": "sms_twilio", "assistant": name, "settings": {**account, "phone_numbers": [number]}}
            for name, number in NUMBERS.items()
        },
    }


@pytest.fixture(scope="module", params=["express", "flask"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    path = os.pathsep.join([str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")])
    environment = {"HUB_PLUGINS": "twilio,scripted,webhooks", "PYTHONPATH": path}
    with ExitStack() as stack:
        server = stack.enter_context(running(request.param, tmp_path_factory.mktemp(request.param)))
        twilio = stack.enter_context(RunningSimulator(numbers=tuple(NUMBERS.values())))
        assistants = {name: stack.enter_context(ScriptedAssistant(repeat)) for name in WEBHOOKS}
        hub = stack.enter_context(RunningHub(tmp_path_factory.mktemp("hub"), environment))
        made = Site(hub, twilio, assistants)
        hub.apply(document(made, server))
        for name, number in NUMBERS.items():
            twilio.configure(f"{hub.url}/webhooks/{name}/message", number=number)
        yield made


def test_a_text_is_translated_by_a_webhook_that_sends_everything_back(site: Site) -> None:
    assert site.ask("translate", "Hola") == ["you said hello"]
    told = site.assistants["translate"].requests[-1]
    assert told["input"]["text"] == "hello"
    assert variables(told)["language"] == "es"
    assert variables(told)["smsUserPhoneNumber"] == PERSON


def test_a_text_is_translated_by_a_webhook_that_sends_only_the_text_back(site: Site) -> None:
    assert site.ask("translate", "merci") == ["you said thank you"]
    told = site.assistants["translate"].requests[-1]
    assert told["input"]["text"] == "thank you"
    assert told["input"]["options"]["return_context"] is True
    assert told["context"]["integrations"]["channel"]["private"]["user"]["phone_number"] == PERSON
    assert variables(told)["smsUserPhoneNumber"] == PERSON


def test_letters_beyond_ascii_arrive_at_the_webhook_as_they_are(site: Site) -> None:
    assert site.ask("translate", "buenos días") == ["you said good morning"]
    assert site.ask("translate", "größer als 5 € 👍") == ["you said größer als 5 € 👍"]


def test_personal_data_is_removed_for_the_assistant_and_put_back_for_the_person(site: Site) -> None:
    text = "I am ann@example.com or bob.b@example.org, card 4111 1111 1111 1111, call +1 555 000 0009"
    assert site.ask("redact", text) == [f"you said {text}"]
    told = site.assistants["redact"].requests[-1]
    assert told["input"]["text"] == "I am [EMAIL1] or [EMAIL2], card [CARD1], call [PHONE1]"
    assert variables(told)["private"]["pii"] == {
        "[EMAIL1]": "ann@example.com",
        "[EMAIL2]": "bob.b@example.org",
        "[CARD1]": "4111 1111 1111 1111",
        "[PHONE1]": "+1 555 000 0009",
    }


def test_each_turn_puts_its_own_personal_data_back(site: Site) -> None:
    assert site.ask("redact", "first@example.com") == ["you said first@example.com"]
    assert site.ask("redact", "second@example.com") == ["you said second@example.com"]
    assert [told["input"]["text"] for told in site.assistants["redact"].requests[-2:]] == ["[EMAIL1]"] * 2


def test_the_webhook_answers_in_the_assistants_place(site: Site) -> None:
    before = len(site.assistants["hours"].requests)
    assert site.ask("hours", "when do you open?") == ["We are open from 9 to 5."]
    assert len(site.assistants["hours"].requests) == before


def test_without_the_header_the_assistant_is_asked(site: Site) -> None:
    before = len(site.assistants["hours"].requests)
    assert site.ask("hours", "anything else") == ["you said anything else"]
    assert len(site.assistants["hours"].requests) == before + 1


def test_an_attached_picture_is_fetched_by_the_webhook_and_taken_out(site: Site) -> None:
    file = BytesIO()
    Image.new("RGB", (31, 17), "red").save(file, "PNG")
    picture = file.getvalue()
    assert site.ask("picture", "look", media=[("image/png", picture)]) == ["you said look"], site.failures("picture")
    (told,) = site.assistants["picture"].requests
    assert "attachments" not in told["input"] or told["input"]["attachments"] == []
    processed = variables(told)["picture"]
    assert processed.pop("url").startswith(f"{site.hub.url}/media/")
    assert processed == {"media_type": "image/png", "bytes": len(picture), "width": 31, "height": 17}


def test_with_another_secret_the_message_goes_on_unchanged(site: Site) -> None:
    assert site.ask("goes-on", "hola") == ["you said hola"]
    assert "language" not in variables(site.assistants["goes-on"].requests[-1])
    assert site.failures("goes-on") == [REFUSED]
    assert OTHER_SECRET not in site.hub.log


def test_with_another_secret_the_turn_fails_if_it_is_to(site: Site) -> None:
    assert site.ask("fails", "hola") == ["F!"]
    assert site.assistants["fails"].requests == []
    assert site.failures("fails") == [REFUSED]
