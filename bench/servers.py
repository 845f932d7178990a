"""Starts the servers under test, each in a new directory with a new database, and always stops them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.metadata import entry_points
from pathlib import Path

from cryptography.fernet import Fernet

from bench import machine
from bench.sms import ACCOUNT_SID, AUTH_TOKEN, NUMBER, PUBLIC_URL

ROOT = Path(__file__).resolve().parent.parent
THREADS = 16
START_SECONDS = 30.0
_GUNICORN = (
    *(sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", str(THREADS)),
    *("--keep-alive", "75", "--log-level", "warning", "--no-control-socket"),
)
_HUB_FILE = """
[assistant.bench]
plugin = "bench"
settings = {{ url = "{double}/assistant?delay_ms={delay_ms}" }}

[integration.bench-sms]
channel = "sms_twilio"
assistant = "bench"

[integration.bench-sms.settings]
account_sid = "{account}"
auth_tokens = ["{token}"]
phone_numbers = ["{number}"]
base_url = "{double}"
replies_per_minute = 100000
"""


class BenchError(Exception):
    """A measurement could not be made."""


@dataclass(frozen=True)
class App:
    """A server to measure.

    :param target: what gunicorn loads.
    :param environment: its configuration; {directory} is replaced by the round's own directory.
    :param prepare: commands run before it starts, in its directory and environment.
    :param files: files written into the directory first.
    """

    name: str
    target: str
    environment: dict[str, str]
    prepare: tuple[tuple[str, ...], ...] = ()
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Server:
    """A running server: its port, the process id of its one worker, and the core it runs on (None: any)."""

    port: int
    worker: int
    core: int | None


def reference(*, one_connection: bool = False) -> App:
    """See bench/reference.py: with SQLAlchemy's own pool, or tuned to one connection."""
    environment = {
        "BENCH_DATABASE_URL": "sqlite:///{directory}/reference.sqlite3",
        "BENCH_ONE_CONNECTION": "1" if one_connection else "0",
        "BENCH_PUBLIC_URL": PUBLIC_URL,
        "BENCH_AUTH_TOKEN": AUTH_TOKEN,
    }
    return App("reference", "bench.reference:create()", environment)


def tutorial(double: str, delay_ms: int = 0) -> App:
    """See bench/tutorial.py; `double` is the base URL of Twilio and the assistant."""
    environment = {
        "BENCH_PUBLIC_URL": PUBLIC_URL,
        "BENCH_AUTH_TOKEN": AUTH_TOKEN,
        "BENCH_ACCOUNT_SID": ACCOUNT_SID,
        "BENCH_DOUBLE_URL": double,
        "BENCH_DELAY_MS": str(delay_ms),
    }
    return App("tutorial", "bench.tutorial:create()", environment)


def hub(double: str, *, turn_threads: int, delay_ms: int = 0, hooks: int = 0) -> App:
    """The hub with the SMS plugin, an assistant that asks the double, and so many plugins with a hook (up to 5)."""
    environment = {
        "HUB_DATABASE_URL": "sqlite:///{directory}/hub.sqlite3",
        "HUB_PUBLIC_URL": PUBLIC_URL,
        "HUB_SECRET_KEYS": Fernet.generate_key().decode(),
        "HUB_ALLOW_PRIVATE_URLS": "1",
        "HUB_TURN_THREADS": str(turn_threads),
        "HUB_PLUGINS": ",".join(["bench", "twilio", *(f"bench_hook_{number + 1}" for number in range(hooks))]),
    }
    configuration = _HUB_FILE.format(
        double=double, delay_ms=delay_ms, account=ACCOUNT_SID, token=AUTH_TOKEN, number=NUMBER
    )
    command = (sys.executable, "-m", "hub")
    return App(
        "hub",
        "wsgi:app",
        environment,
        prepare=((*command, "db", "upgrade"), (*command, "apply", "hub.toml")),
        files=(("hub.toml", configuration),),
    )


def require_hub() -> None:
    """Make sure that there is a hub to measure and that the bench plugin is installed.

    :raises BenchError: there is none, or the plugin cannot be installed.
    """
    if not (ROOT / "wsgi.py").exists():
        raise BenchError("there is no wsgi.py in this checkout: no hub to measure")
    if any(entry.name == "bench_hook_5" for entry in entry_points(group="hub.plugins")):
        return
    print("installing the bench plugin (pip install -e bench/plugin)", flush=True)
    _run((sys.executable, "-m", "pip", "install", "-q", "--no-deps", "-e", str(ROOT / "bench" / "plugin")))


def remove_plugin() -> None:
    """Take the bench plugin out again: a hub that loads every installed plugin would run its hooks."""
    _run((sys.executable, "-m", "pip", "uninstall", "-q", "-y", "hub-bench"))


@asynccontextmanager
async def serving(app: App, core: int | None) -> AsyncIterator[Server]:
    """Run `app` on `core` until the block ends."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{app.name}-", ignore_cleanup_errors=True) as name:
        directory, port = Path(name), _free_port()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        environment |= {key: value.format(directory=directory) for key, value in app.environment.items()}
        await asyncio.to_thread(_prepare, app, directory, environment, core)
        process = _launch(app, directory, environment, port, core)
        try:
            await _answering(process, port)
            yield Server(port, machine.children(process.pid)[0], core)
        except BenchError as error:
            raise BenchError(f"{app.name}: {error}; the end of its log:\n{_tail(directory / 'log')}") from error
        finally:
            await asyncio.to_thread(_stop, process)


def _prepare(app: App, directory: Path, environment: dict[str, str], core: int | None) -> None:
    for name, text in app.files:
        (directory / name).write_text(text)
    with machine.pinned(core):
        for command in app.prepare:
            _run(command, directory, environment)


def _launch(
    app: App, directory: Path, environment: dict[str, str], port: int, core: int | None
) -> subprocess.Popen[bytes]:
    with machine.pinned(core), (directory / "log").open("wb") as log:
        return subprocess.Popen(
            (*_GUNICORN, "-b", f"127.0.0.1:{port}", app.target),
            cwd=directory,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def _answering(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the application answers anything at all.

    :raises BenchError: it ended, or it took too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while not await asyncio.to_thread(_answers, port):
        if process.poll() is not None:
            raise BenchError(f"ended with exit code {process.returncode} instead of starting")
        if time.monotonic() > deadline:
            raise BenchError(f"did not answer within {START_SECONDS:.0f} seconds")
        await asyncio.sleep(0.05)


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group: politely, and after two seconds by force."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, wish)
            process.wait(timeout=2)
    process.wait()


def _run(command: Sequence[str], directory: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BenchError(f"{' '.join(command[1:])} failed with exit code {done.returncode}:\n{last}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _tail(log: Path, lines: int = 10) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(it is empty)"
