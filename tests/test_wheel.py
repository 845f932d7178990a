"""What is published: wheels that hold templates, types and migrations, and work without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hub.store import schema

ROOT = Path(__file__).parent.parent
PLUGINS = ("twilio", "watson", "http_assistant", "openai", "webhooks", "attachments", "demo", "simulator")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of the host and of every plugin, by name of the distribution."""
    target = tmp_path_factory.mktemp("wheels")
    sources = [ROOT, *(ROOT / "plugins" / name for name in PLUGINS)]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    for source in sources:
        copy = target / f"source-{source.name}"
        # A build writes beside its source, where other tests read at the same time.
        names = subprocess.run(["git", "ls-files"], cwd=source, capture_output=True, text=True, check=True).stdout
        for name in names.splitlines():
            if (source / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).write_bytes((source / name).read_bytes())
        subprocess.run([*command, "--wheel-dir", str(target), str(copy)], check=True, timeout=300)
    return {file.name.split("-")[0].replace("_", "-"): file for file in target.glob("*.whl")}


def test_wheels_hold_what_code_needs_beside_code(wheels: dict[str, Path]) -> None:
    assert set(wheels) == {"integration-hub", *(f"hub-{name.replace('_', '-')}" for name in PLUGINS)}
    expected = {
        "integration-hub": {"hub/py.typed", "hub/migrations/env.py", "hub/migrations/script.py.mako",
                            "hub/migrations/versions/0001_text_messaging.py", "hub/contract/__init__.py",
                            "hub/auth/__init__.py"},
        "hub-twilio": {"hub_twilio/py.typed"},
        "hub-watson": {"hub_watson/py.typed"},
        "hub-demo": {"hub_demo/py.typed", "hub_demo/media/tune.mp3", "hub_demo/media/sunrise.mp4"},
        "hub-simulator": {"hub_simulator/py.typed", "hub_simulator/templates/hub_simulator/phones.html",
                          "hub_simulator/static/phones.css", "hub_simulator/static/phones.js"},
    }  # fmt: skip
    for name, files in expected.items():
        held = set(zipfile.ZipFile(wheels[name]).namelist())
        assert files <= held, name
        assert not any("tests" in Path(file).parts for file in held), name


def test_installed_from_wheels_the_hub_migrates_and_lists_its_plugins(wheels: dict[str, Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    subprocess.run([*command, *map(str, wheels.values())], check=True, timeout=300)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
        "PYTHONPATH": str(site),
    }

    def hub(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout

    where = subprocess.run(
        [sys.executable, "-c", "import hub, hub_twilio; print(hub.__file__, hub_twilio.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.count(str(site)) == 2
    assert f"revision {schema.HEAD}" in hub("db", "upgrade")
    assert f"revision {schema.HEAD}" in hub("db", "upgrade")
    assert (tmp_path / "instance" / "hub.sqlite3").exists()
    assert "sms_twilio" in hub("plugins")
