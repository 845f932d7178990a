"""The command line as people and scripts use it: what it prints, how it ends, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import NUMBER, PERSON
from cryptography.fernet import Fernet
from hub_simulator.testing import RunningSimulator
from sqlalchemy import create_engine, text

from hub.testing import RunningHub, free_port

ROOT = Path(__file__).parent.parent
LINE = {
    "id", "direction", "channel", "integration", "provider_id", "from", "to", "text", "segments", "status",
    "error_code", "created_at", "events",
}  # fmt: skip


class Shell:
    """Runs ``hub …`` in child processes of one Python that has everything imported, which saves a second each."""

    PROGRAM = """
import json, os, sys
from hub.cli import main
from hub.plugins import Registry
Registry()
print("ready", flush=True)
for line in sys.stdin:
    case = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(case["folder"])
        os.environ.clear()
        os.environ.update(case["environment"])
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(case[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        exec(case["program"], {"main": main, "arguments": case["arguments"]})
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

    def __init__(self, folder: Path) -> None:
        self._output = {name: str(folder / name) for name in ("stdout", "stderr")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, bufsize=1,
        )  # fmt: skip
        assert self._process.stdout.readline() == "ready\n"  # type: ignore[union-attr]

    def close(self) -> None:
        self._process.communicate(timeout=30)

    def run(
        self, folder: Path, environment: dict[str, str], *arguments: str, program: str = "main(arguments)"
    ) -> subprocess.CompletedProcess[str]:
        pipes = self._process.stdin, self._process.stdout
        case = {"folder": str(folder), "environment": environment, "arguments": arguments, "program": program}
        print(json.dumps({**case, **self._output}), file=pipes[0], flush=True)
        code = int(pipes[1].readline())  # type: ignore[union-attr]
        output, errors = (Path(file).read_text() for file in self._output.values())
        return subprocess.CompletedProcess(arguments, code, output, errors)


class Folder:
    """A folder to run ``hub …`` in; the environment holds nothing of the hub's but what the test says."""

    def __init__(self, path: Path, shell: Shell) -> None:
        self.path, self._shell = path, shell
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}

    def python(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], cwd=self.path, env={**self.environment, **environment}, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip

    def hub(self, *arguments: str, code: int = 0, program: str = "main(arguments)", **environment: str) -> str:
        """What the command printed; when it failed, its one line on stderr."""
        done = self._shell.run(self.path, {**self.environment, **environment}, *arguments, program=program)
        assert "Traceback" not in done.stderr, done.stderr[-1000:]
        assert done.returncode == code, done.stderr
        if code == 0:
            return done.stdout
        lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert len(lines) == 1, done.stderr
        return lines[0]


class ForkedHub(RunningHub):
    """Never started; its commands go through the shell."""

    shell: Shell

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self.shell.run(self.folder, self.environment, *arguments)
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("shell"))
    yield shell
    shell.close()


@pytest.fixture
def folder(tmp_path: Path, shell: Shell) -> Folder:
    return Folder(tmp_path, shell)


class TestExitCodes:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["nonsense"], "nonsense"),
            (["lanes", "--nonsense"], "--nonsense"),
            (["apply"], "FILE"),
            (["send", "--integration", "x", "hello"], "--to"),
            (["messages", "--limit", "0"], "--limit"),
            (["purge", "--attachments", "-1"], "--attachments"),
        ],
    )
    def test_wrong_usage_ends_with_two(self, folder: Folder, arguments: list[str], named: str) -> None:
        assert named in folder.hub(*arguments, code=2)

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("HUB_DATABASE_URL", "mysql://host/db"),
            ("HUB_DATABASE_URL", "nonsense"),
            ("HUB_DATABASE_URL", "sqlite://"),
            ("HUB_DATABASE_URL", "postgresql://user:hunter2@127.0.0.1:1/db"),
            ("HUB_DATABASE_URL", "postgresql://user:hunter2@host:port/db"),
            ("HUB_PUBLIC_URL", "hub.example"),
            ("HUB_PUBLIC_URL", "https://user:hunter2@hub.example"),
            ("HUB_PUBLIC_URL", "https://hub.example:99999"),
            ("HUB_SECRET_KEYS", "hunter2"),
            ("HUB_SECRET_KEYS", ","),
            ("HUB_BROKER_URL", "kafka://hunter2"),
            ("HUB_TURN_THREADS", "many"),
            ("HUB_TURN_THREADS", "-1"),
            ("HUB_LEASE_SECONDS", "0"),
            ("HUB_SWEEP_SECONDS", "1e9"),
            ("HUB_MEDIA_URL", "nonsense://place"),
            ("HUB_ALLOW_PRIVATE_URLS", "yes"),
            ("HUB_MAX_REQUEST_BYTES", "1"),
            ("HUB_MAX_ANSWER_BYTES", "2 MB"),
        ],
    )
    def test_a_wrong_setting_ends_with_two_and_one_line_that_names_it(
        self, folder: Folder, variable: str, value: str
    ) -> None:
        environment = {"HUB_SECRET_KEYS": Fernet.generate_key().decode(), variable: value}
        line = folder.hub("lanes", code=2, **environment)
        assert variable in line
        assert "hunter2" not in line

    @pytest.mark.parametrize("arguments", [["lanes"], ["messages"], ["purge"], ["secrets", "rotate"]])
    def test_without_a_schema_commands_end_with_one_and_the_command_to_run(
        self, folder: Folder, arguments: list[str]
    ) -> None:
        assert "hub db upgrade" in folder.hub(*arguments, code=1)
        assert "hub db upgrade" in folder.hub(*arguments, code=1, HUB_DATABASE_URL="sqlite:////proc/nowhere/x.sqlite3")

    def test_an_invalid_file_ends_with_two_and_names_the_key(self, folder: Folder) -> None:
        folder.hub("db", "upgrade")
        (folder.path / "hub.toml").write_text("[assistant.bot]\nplugin = 'demo'\ncolour = 'red'\n")
        assert "assistant.bot.colour" in folder.hub("apply", "hub.toml", code=2)
        assert "no.toml" in folder.hub("apply", "no.toml", code=2)

    def test_a_database_that_stays_busy_ends_with_one_and_no_traceback(self, folder: Folder) -> None:
        folder.hub("db", "upgrade")
        (folder.path / "hub.toml").write_text("[assistant.bot]\nplugin = 'demo'\n")
        program = "import hub.store.database as database; database.BUSY_SECONDS = 0.2; main(arguments)"
        engine = create_engine(f"sqlite:///{folder.path / 'instance/hub.sqlite3'}")
        with engine.connect() as connection:
            connection.execute(text("BEGIN IMMEDIATE"))
            assert "locked" in folder.hub("apply", "hub.toml", code=1, program=program)
        engine.dispose()


class TestStart:
    def gunicorn(self, folder: Folder, workers: str = "1", **environment: str) -> subprocess.CompletedProcess[str]:
        return folder.python(
            "-m", "gunicorn", "hub.serving:application()", "-k", "gthread", "-w", workers, "--no-control-socket", "-b",
            f"127.0.0.1:{free_port()}", **environment,
        )  # fmt: skip

    def test_on_an_empty_database_it_ends_with_the_command_to_run_and_does_not_loop(self, folder: Folder) -> None:
        done = self.gunicorn(folder, "2")
        assert done.returncode not in (0, None)
        assert "hub db upgrade" in done.stderr
        assert done.stderr.count("Booting worker") <= 4
        # When both workers end in the same moment gunicorn itself prints a traceback; none may come from the hub.
        assert "hub/serving.py" not in done.stderr

    def test_on_an_older_schema_it_ends_with_the_command_to_run(self, folder: Folder) -> None:
        folder.hub("db", "upgrade")
        engine = create_engine(f"sqlite:///{folder.path / 'instance/hub.sqlite3'}")
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        engine.dispose()
        done = self.gunicorn(folder)
        assert done.returncode != 0
        assert "0000" in done.stderr
        assert "hub db upgrade" in done.stderr

    def test_with_a_wrong_setting_it_ends_with_the_line_that_names_it(self, folder: Folder) -> None:
        done = self.gunicorn(folder, HUB_TURN_THREADS="many")
        assert done.returncode != 0
        assert "HUB_TURN_THREADS" in done.stderr

    def test_processes_that_start_at_once_agree_on_the_secret_key(self, folder: Folder) -> None:
        program = "from hub.config import Config; print(*Config.from_environment().secret_keys)"
        keys: list[str] = []
        threads = [
            threading.Thread(target=lambda: keys.append(folder.python("-c", program).stdout.splitlines()[-1]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        file = folder.path / "instance" / "secret_keys"
        assert len(keys) == 4
        assert set(keys) == {file.read_text().strip()}
        assert file.stat().st_mode & 0o077 == 0
        assert [path.name for path in file.parent.iterdir()] == ["secret_keys"]

    def test_upgrading_twice_is_like_once(self, folder: Folder) -> None:
        assert folder.hub("db", "upgrade") == folder.hub("db", "upgrade")
        assert folder.hub("lanes") == "nothing waits\n"

    def test_flask_knows_the_commands_too(self, folder: Folder) -> None:
        folder.hub("db", "upgrade")
        flask = ("-m", "flask", "--app", str(ROOT / "wsgi.py"))
        done = folder.python(*flask, "plugins", "--json")
        assert done.returncode == 0, done.stderr[-300:]
        assert json.loads(done.stdout.splitlines()[0])["name"]
        listed = folder.python(*flask, "--help").stdout
        wanted = ("apply", "doctor", "lanes", "messages", "plugins", "purge", "send")
        assert [name for name in wanted if f"  {name}" not in listed] == []


class TestWithAHub:
    @pytest.fixture
    def twilio(self) -> Iterator[RunningSimulator]:
        with RunningSimulator(numbers=(NUMBER,)) as simulator:
            yield simulator

    @pytest.fixture
    def hub(self, tmp_path: Path, twilio: RunningSimulator, shell: Shell) -> RunningHub:
        """A database with one integration; nothing is started."""
        hub = ForkedHub(tmp_path, {"HUB_PLUGINS": "twilio,demo", "HUB_PUBLIC_URL": "https://hub.example/p"})
        hub.shell = shell
        hub.command("db", "upgrade")
        settings = {
            "account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "phone_numbers": [NUMBER],
            "base_url": twilio.url,
        }  # fmt: skip
        integration = {"channel": "sms_twilio", "assistant": "demo", "settings": settings}
        self.printed = hub.apply({"assistant": {"demo": {"plugin": "demo"}}, "integration": {"sms": integration}})
        return hub

    def test_apply_prints_the_webhook_addresses(self, hub: RunningHub) -> None:
        assert "https://hub.example/p/webhooks/sms/message" in self.printed
        assert "https://hub.example/p/webhooks/sms/status" in self.printed

    def test_a_message_is_sent_and_listed_with_the_agreed_fields(
        self, hub: RunningHub, twilio: RunningSimulator
    ) -> None:
        assert " queued SM" in hub.command("send", "--integration", "sms", "--to", PERSON, "hello there").stdout
        (accepted,) = twilio.messages(to=PERSON)
        assert (accepted.body, accepted.from_) == ("hello there", NUMBER)
        for arguments in ([], ["--person", PERSON], ["--provider-id", accepted.sid]):
            (line,) = hub.command("messages", "--json", *arguments).stdout.splitlines()
            message = json.loads(line)
            assert set(message) >= LINE
            assert (message["direction"], message["channel"], message["integration"]) == (
                "outbound",
                "sms_twilio",
                "sms",
            )
            assert (message["from"], message["to"], message["text"]) == (NUMBER, PERSON, "hello there")
            assert (message["provider_id"], message["status"], message["segments"]) == (accepted.sid, "queued", 1)
            assert (message["events"], message["error_code"]) == ([], None)
            assert message["created_at"].endswith("+00:00")
        assert hub.command("messages", "--json", "--person", NUMBER[:-1] + "9").stdout == ""
        assert PERSON not in hub.command("messages").stdout
        assert hub.command("lanes", "--json").stdout == ""

    def test_what_cannot_be_sent_yet_ends_with_one_and_is_seen_to_wait(
        self, hub: RunningHub, twilio: RunningSimulator
    ) -> None:
        hub.environment["HTTP_PROXY"] = hub.environment["http_proxy"] = f"http://127.0.0.1:{free_port()}"
        hub.environment["NO_PROXY"] = hub.environment["no_proxy"] = ""
        done = hub.command("send", "--integration", "sms", "--to", PERSON, "hello", check=False)
        assert done.returncode == 1
        (line,) = hub.command("lanes", "--json").stdout.splitlines()
        waiting = json.loads(line)
        assert (waiting["outbox"], waiting["inbox"], waiting["line"]) == (1, 0, NUMBER)
        assert waiting["since"]
        assert "next attempt" in waiting["reason"]
        assert PERSON not in line
        assert "1 to send" in hub.command("lanes").stdout

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["--integration", "nobody", "--to", PERSON, "x"], "--integration"),
            (["--integration", "sms", "--to", "12", "x"], "--to"),
            (["--integration", "sms", "--to", PERSON, "--from", "x", "x"], "--from"),
            (["--integration", "sms", "--to", PERSON], "TEXT"),
        ],
    )
    def test_send_names_what_is_wrong(self, hub: RunningHub, arguments: list[str], named: str) -> None:
        done = hub.command("send", *arguments, check=False)
        assert done.returncode == 2
        assert named in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_the_doctor_is_content_calls_the_provider_and_names_what_is_wrong(
        self, hub: RunningHub, twilio: RunningSimulator
    ) -> None:
        said = hub.command("doctor", "--call").stdout
        assert "https://hub.example/p/webhooks/sms/message" in said
        assert twilio.account_sid in said
        assert "✗" not in said
        assert twilio.auth_token not in said
        hub.environment["HUB_PLUGINS"] = "demo,nowhere"
        done = hub.command("doctor", check=False)
        assert done.returncode == 1
        assert "✗ plugin" in done.stdout
        assert "nowhere" in done.stdout

    def test_after_rotating_the_secrets_the_old_key_is_not_needed(
        self, hub: RunningHub, twilio: RunningSimulator
    ) -> None:
        old, new = hub.environment["HUB_SECRET_KEYS"], hub.command("secrets", "new").stdout.strip()
        hub.environment["HUB_SECRET_KEYS"] = f"{new},{old}"
        hub.command("secrets", "rotate")
        hub.environment["HUB_SECRET_KEYS"] = new
        hub.command("send", "--integration", "sms", "--to", PERSON, "with the new key")
        assert [message.body for message in twilio.messages(to=PERSON)] == ["with the new key"]
        hub.environment["HUB_SECRET_KEYS"] = old
        done = hub.command("send", "--integration", "sms", "--to", PERSON, "x", check=False)
        assert done.returncode in (1, 2)
        assert "HUB_SECRET_KEYS" in done.stderr
        assert "Traceback" not in done.stderr

    def test_purge_says_what_it_removed_and_keeps_what_is_young(self, hub: RunningHub) -> None:
        hub.command("send", "--integration", "sms", "--to", PERSON, "hello")
        nothing = "removed 0 attachments, 0 messages, 0 turns, 0 sessions, 0 lanes\n"
        assert hub.command("purge").stdout == nothing
        everything = hub.command("purge", "--attachments", "0", "--conversations", "0").stdout
        assert everything == "removed 0 attachments, 1 messages, 0 turns, 0 sessions, 1 lanes\n"
