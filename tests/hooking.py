"""Hooks without a hub around them: a registry's broadcasts on a turn made here."""

from __future__ import annotations

import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from hub import Answer, Attachments, HttpClient, Refusal, Services, Session, Settings, Turn
from hub.directory import BoundAssistant, Directory
from hub.hooks import Hooks, Stage
from hub.media import sniff
from hub.plugins import GROUP, Registry


class Kept:
    """Plugin secrets in a dict."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}

    def get(self, name: str) -> dict[str, Any] | None:
        return self.values.get(name)

    def put(self, name: str, value: dict[str, Any]) -> None:
        self.values[name] = value


SERVICES = Services(HttpClient(allow_private=True), structlog.get_logger(), Kept())


@dataclass
class OneDirectory:
    """Stands in for the directory: one set of services, sections by plugin."""

    sections: dict[str, dict[str, Settings]] = field(default_factory=dict)

    def services(self, plugin: str) -> Services:
        return SERVICES

    def sections_of(self, plugin: str, assistant: BoundAssistant) -> dict[str, Settings]:
        return self.sections.get(plugin, {})


def a_turn(**fields: Any) -> Turn:
    values: dict[str, Any] = {
        "id": uuid.uuid4(),
        "assistant": "bot",
        "integration": "sms",
        "channel": "sms_double",
        "kind": "text",
        "person": "+15550000002",
        "line": "+15550000001",
        "number": "+15550000001",
        "correlation": "c",
        "session": Session(uuid.uuid4(), None, {}, 0),
        "attachments": Attachments([], None, sniff, uuid.uuid4),  # type: ignore[arg-type]
        "services": SERVICES,
    }
    return Turn(**{**values, **fields})


def a_stage(assistant: BoundAssistant | None = None, **fields: Any) -> Stage:
    bound = assistant or BoundAssistant(uuid.uuid4(), "bot", "double", None, None)
    return Stage(a_turn(**fields), bound, {}, {}, {})


def hooks(registry: Registry, seconds: float = 60.0, directory: OneDirectory | None = None) -> Hooks:
    return Hooks(registry, cast(Directory, directory or OneDirectory()), seconds)


def premessage(
    registry: Registry, text: str = "", stage: Stage | None = None, seconds: float = 60.0
) -> dict[str, Any] | Answer | Refusal:
    """What the premessage hooks of `registry` make of `text`."""
    return hooks(registry, seconds).premessage(stage or a_stage(), {"input": {"text": text}, "context": {}})[0]


Install = Callable[..., EntryPoint]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a plugin with this source into a distribution of its own and returns its entry point."""
    before = set(sys.modules)

    def make(name: str, source: str, distribution: str | None = None) -> EntryPoint:
        distribution = distribution or f"hub-{name}"
        module = f"plugin_{uuid.uuid4().hex}"
        folder = tmp_path / module
        monkeypatch.syspath_prepend(str(folder))
        (folder / f"{distribution.replace('-', '_')}-1.0.dist-info").mkdir(parents=True)
        for info in folder.iterdir():
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text("from hub import *\n" + textwrap.dedent(source))
        (found,) = [point for each in distributions(path=[str(folder)]) for point in each.entry_points]
        return found

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("plugin_"):
            del sys.modules[name]


def appending(say: str, *options: str) -> str:
    """A plugin that appends `say` to the text."""
    return f"""
        @hookimpl({", ".join(f"{option}=True" for option in options)})
        def premessage(turn, request):
            request["input"]["text"] += {say!r}
            return request
    """
