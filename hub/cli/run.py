"""Commands that run something: serve, demo, db upgrade."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import click

from hub.config import Config
from hub.errors import ConfigError, HubError
from hub.store import schema

DEMO_NUMBER = "+15550000001"
STOP_SECONDS = 35


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--threads", default=16, show_default=True, type=click.IntRange(1, 256), help="Web threads per process.")
def serve(host: str, port: int, workers: int, threads: int) -> None:
    """Run the hub under gunicorn. Keep a proxy with TLS in front of it."""
    Config.from_environment()
    _become_gunicorn(host, port, workers, threads)


def _become_gunicorn(host: str, port: int, workers: int, threads: int) -> None:
    arguments = [
        sys.executable, "-m", "gunicorn", "hub.serving:application()", "--worker-class", "gthread", "--bind",
        f"{host}:{port}", "--workers", str(workers), "--threads", str(threads), "--log-level", "warning",
        "--graceful-timeout", "30", "--timeout", "60", "--no-control-socket",
    ]  # fmt: skip
    os.execv(sys.executable, arguments)


@click.group()
def db() -> None:
    """The database schema."""


@db.command("upgrade")
def upgrade() -> None:
    """Create the database or bring it to this version's schema. Running it again changes nothing."""
    config = Config.from_environment()
    click.echo(f"database schema at revision {schema.upgrade(config.database_url)}")


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port of the hub.")
@click.option("--simulator-port", default=8010, show_default=True, type=click.IntRange(1, 65535))
def demo(port: int, simulator_port: int) -> None:
    """Run the hub, the demo assistant and the local Twilio simulator, without account or network."""
    for needed in (port, simulator_port):
        _require_free(needed)
    hub_url, simulator_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulator_port}"
    os.environ.setdefault("HUB_PUBLIC_URL", hub_url)
    os.environ["HUB_ALLOW_PRIVATE_URLS"] = "1"
    config = Config.from_environment()
    click.echo("preparing the database …")
    schema.upgrade(config.database_url)
    # The simulated account exists on this machine only, for as long as this command runs.
    account_sid, auth_token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
    _apply_demo(config, account_sid, auth_token, simulator_url)
    command = [sys.executable, "-m", "hub"]
    simulator = [
        *command, "simulator", "--port", str(simulator_port), "--hub-url", hub_url, "--number", DEMO_NUMBER,
        "--message-url", f"{hub_url}/webhooks/demo-sms/message", "--account-sid", account_sid,
        "--auth-token", auth_token,
    ]  # fmt: skip
    processes = [
        subprocess.Popen([*command, "serve", "--port", str(port)], start_new_session=True),
        subprocess.Popen(simulator, start_new_session=True),
    ]
    try:
        _wait_for(port, processes)
        _wait_for(simulator_port, processes)
        click.echo(
            f"\n  phone      {simulator_url}/   ← text the assistant here"
            f"\n  hub        {hub_url}/healthz   ({hub_url}/metrics)"
            f"\n  webhook    {hub_url}/webhooks/demo-sms/message"
            "\n  stop with Ctrl-C\n"
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        raise HubError("a process of the demo ended by itself; its last words stand above")
    except KeyboardInterrupt:
        click.echo("\nstopping …")
    finally:
        _stop(processes)


def _apply_demo(config: Config, account_sid: str, auth_token: str, simulator_url: str) -> None:
    # Only the demo needs the whole hub here; the other commands of this module start quickly without it.
    from hub.apply import apply
    from hub.hub import Hub

    hub = Hub.build(config)
    if not {"sms_twilio"} <= set(hub.registry.channels) or "simulator" not in hub.registry.commands:
        raise ConfigError("HUB_PLUGINS: the demo needs the plugins demo, simulator and twilio; see hub plugins")
    settings = {
        "account_sid": account_sid,
        "auth_tokens": [auth_token],
        "phone_numbers": [DEMO_NUMBER],
        "base_url": simulator_url,
        "notify_on_session_timeout": True,
    }
    assistant: dict[str, Any] = {"plugin": "demo"}
    if "attachments" in hub.registry.sections:
        assistant["attachments"] = {}
    try:
        apply(
            {
                "assistant": {"demo": assistant},
                "integration": {"demo-sms": {"channel": "sms_twilio", "assistant": "demo", "settings": settings}},
            },
            hub.store,
            hub.registry,
            hub.vault,
        )
    finally:
        hub.store.close()


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigError(f"--port: port {port} is taken; choose others with --port and --simulator-port") from None


def _wait_for(port: int, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            raise HubError("a process of the demo did not start; its last words stand above")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise HubError(f"nothing answers on port {port}")


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for impatient in (signal.SIGINT, signal.SIGTERM):
        signal.signal(impatient, signal.SIG_IGN)
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


COMMANDS: tuple[click.Command, ...] = (serve, db, demo)
