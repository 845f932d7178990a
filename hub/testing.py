"""The test kit: a real hub under gunicorn, in a folder of its own, to be texted, killed and started again.

For the tests of the hub and of plugins alike::

    with RunningHub(tmp_path) as hub:
        hub.apply({"assistant": {...}, "integration": {...}})
        requests.post(f"{hub.url}/webhooks/support-sms/message", ...)
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from cryptography.fernet import Fernet

T = TypeVar("T")


def free_port() -> int:
    """A port of this machine that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], T], timeout: float = 20.0, what: str = "the condition") -> T:
    """Ask `condition` until it gives something true, and return that.

    :raises TimeoutError: it did not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {timeout:g} s")
        time.sleep(0.02)
    return result


def toml(value: Any) -> str:
    """`value` (tables, lists, texts, numbers, booleans) in TOML's inline form, which JSON nearly is."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {toml(below)}" for key, below in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(below) for below in value) + "]"
    return json.dumps(value)


class RunningHub:
    """A hub under gunicorn on a free port. Everything it writes stays in `folder`.

    :param environment: further variables; the defaults are SQLite in `folder`, private addresses allowed, short leases.
    :param workers: gunicorn processes. :param threads: web threads of each.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str] | None = None, *, workers: int = 1, threads: int = 16
    ) -> None:
        self.folder = folder
        self.workers = workers
        self.threads = threads
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PROMETHEUS_"))},
            "HUB_DATABASE_URL": f"sqlite:///{folder / 'hub.sqlite3'}",
            "HUB_MEDIA_URL": f"file://{folder / 'media'}",
            "HUB_PUBLIC_URL": self.url,
            "HUB_SECRET_KEYS": Fernet.generate_key().decode(),
            "HUB_ALLOW_PRIVATE_URLS": "1",
            "HUB_LEASE_SECONDS": "2",
            "HUB_SWEEP_SECONDS": "1",
            **(environment or {}),
        }
        self._log = folder / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.command("db", "upgrade")
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """Everything the hub has printed so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of the event `name`."""
        return [line for text in self.log.splitlines() if f'"{name}"' in text and (line := _event(text, name))]

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start gunicorn and wait until it is ready; `environment` changes variables for this start and later ones."""
        self.environment.update(environment or {})
        command = [
            sys.executable, "-m", "gunicorn", "hub.serving:application()", "-k", "gthread",
            "-b", f"127.0.0.1:{self.port}", "-w", str(self.workers), "--threads", str(self.threads),
            "--log-level", "warning", "--no-control-socket",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._ready, 30, "the hub")

    def kill(self) -> None:
        """``kill -9`` of gunicorn and all its workers at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def kill_worker(self) -> int:
        """``kill -9`` of one worker; gunicorn starts another. Returns the pid that died."""
        assert self._process is not None
        master = self._process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        victim = int(children[0])
        os.kill(victim, signal.SIGKILL)
        return victim

    def stop(self, timeout: float = 40.0) -> int:
        """Ask gunicorn to stop (SIGTERM) and wait; returns its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(timeout)
        self._process = None
        return code

    def memory(self) -> int:
        """Resident memory of the first worker in bytes."""
        assert self._process is not None
        master = self._process.pid
        worker = Path(f"/proc/{master}/task/{master}/children").read_text().split()[0]
        return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``hub …`` in this hub's environment.

        :raises RuntimeError: it failed although `check` is set.
        """
        done = subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise RuntimeError(f"hub {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done

    def apply(self, document: Mapping[str, Any]) -> str:
        """``hub apply`` of `document`; returns what it printed."""
        file = self.folder / "hub.toml"
        lines = []
        for kind, tables in document.items():
            for name, table in tables.items():
                lines.append(f"[{kind}.{name}]")
                lines.extend(f"{key} = {toml(value)}" for key, value in table.items())
        file.write_text("\n".join(lines) + "\n")
        return self.command("apply", str(file)).stdout

    def messages(self, person: str | None = None) -> list[dict[str, Any]]:
        """``hub messages --json``, oldest first."""
        arguments = ["messages", "--json", "--limit", "100000", *(["--person", person] if person else [])]
        return [json.loads(line) for line in self.command(*arguments).stdout.splitlines()]

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the hub did not start:\n{self.log[-3000:]}")
        try:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=2)) as connection:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def _event(text: str, name: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and line.get("event") == name else None
