"""Promises are executable: what README and docs say is cut out, run and compared with the code.

``python tests/test_docs.py`` writes anew what is made from models: docs/settings.md and the message contract.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import click
import pytest
from inprocess import LocalHub
from jsonschema import Draft202012Validator
from made_pages import MADE, REFRESH
from pages import DOCS, PAGES, ROOT, blocks, code_spans, name_of, prose

import hub as hub_package
from hub import hookspecs, testing
from hub.apply import apply, read_file
from hub.channels import Status
from hub.cli import hub as hub_command
from hub.hub import Hub
from hub.plugins import GROUP, Registry
from hub.store import schema

PLUGINS = frozenset(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "setup.cfg").exists())
ANYTHING = {
    "TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
    "TWILIO_API_KEY_SID": f"SK{'0' * 32}",
    "TWILIO_MESSAGING_SERVICE_SID": f"MG{'0' * 32}",
}
"""Values of environment variables in TOML blocks that must have a form; every other one is just a word."""


def strings_of(folder: str) -> Iterator[str]:
    """Every string constant of the package, testing.py apart."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        if file.name != "testing.py":
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


# --- docs/plugins.md --------------------------------------------------------------------------------------------------


def test_the_plugin_of_the_page_works(tmp_path: Path) -> None:
    """Its files, installed as a distribution, pass its own test: a text is answered from end to end."""
    files = {block.title: block.text for block in blocks(DOCS / "plugins.md") if block.title}
    for title, text in files.items():
        file = tmp_path / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    config = configparser.ConfigParser()
    config.read(tmp_path / "setup.cfg")
    metadata = config["metadata"]
    info = tmp_path / f"hub_carrier-{metadata['version']}.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {metadata['name']}\nVersion: {metadata['version']}\n"
    )
    points = config["options.entry_points"]["hub.plugins"].strip()
    info.joinpath("entry_points.txt").write_text(f"[hub.plugins]\n{points}\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "HUB_PLUGINS": "carrier"}
    environment.pop("PYTEST_XDIST_WORKER", None)

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    carrier = next(line for line in run("hub", "plugins", "--json").splitlines() if '"carrier"' in line)
    assert '"status": "loaded"' in carrier
    assert '"channels": ["sms_carrier"], "assistants": ["parrot"]' in carrier
    assert '"distribution": "hub-carrier"' in carrier
    assert "2 passed" in run("pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-W", "error", "tests")


def test_the_files_of_the_page_are_those_of_its_layout() -> None:
    page = blocks(DOCS / "plugins.md")
    layout = page[0].text
    for block in page:
        assert Path(block.title).name in layout


def signature(function: ast.FunctionDef) -> str:
    return f"{function.name}({ast.unparse(function.args)}) -> {ast.unparse(function.returns or ast.Constant(None))}"


def test_every_hook_is_documented_with_its_exact_signature() -> None:
    tree = ast.parse(Path(str(hookspecs.__file__)).read_text())
    hooks = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(each) == "hookspec" for each in node.decorator_list)
    ]
    spans = code_spans(DOCS / "plugins.md")
    documented = [span for span in spans if "->" in span]
    assert sorted(documented) == sorted(signature(hook) for hook in hooks)
    assert {hook.name for hook in hooks} <= set(spans)


def test_every_public_name_is_listed() -> None:
    text = (DOCS / "plugins.md").read_text().split("## Everything you may import")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(name for cell in cells for name in re.findall(r"`(\w+)`", cell)) == sorted(hub_package.__all__)
    kit = set(re.findall(r"`(\w+)`", text.split("`hub.testing` has")[1]))
    assert all(hasattr(testing, name) for name in kit)


def test_the_section_of_the_page_works(tmp_path: Path) -> None:
    """Called for the assistant that has the table, and for no other."""
    (source,) = (block.text for block in blocks(DOCS / "plugins.md") if "register_sections" in block.text)
    names: dict[str, Any] = {"__name__": "glossary"}
    exec("from typing import Any\nfrom pydantic import Field\nfrom hub import *\n" + source, names)
    module = ModuleType("glossary")
    vars(module).update({name: each for name, each in names.items() if name in ("register_sections", "premessage")})
    sys.modules["glossary"] = module
    try:
        point = EntryPoint("glossary", "glossary", GROUP)
        with LocalHub(f"sqlite:///{tmp_path / 'hub.sqlite3'}", tmp_path, plugins=[point]) as hub:
            hub.converse("hullo")
            hub.configure(sections={"glossary": {"words": {"hullo": "hello"}}})
            hub.converse("hullo")
            assert hub.script.inputs == ["hullo", "hello"]
    finally:
        del sys.modules["glossary"]


# --- docs/configuration.md, docs/settings.md --------------------------------------------------------------------------


def test_every_environment_variable_is_documented_and_no_other() -> None:
    read = {text for text in strings_of("hub") if re.fullmatch(r"(HUB|PROMETHEUS)_[A-Z_]+|[A-Z_]+_(BUNDLE|FILE)", text)}
    table = {each[1] for each in re.finditer(r"^\| `([A-Z_]+)` \|", (DOCS / "configuration.md").read_text(), re.M)}
    assert table == read
    # These are read by tests only.
    known = table | {"HUB_TEST_DATABASE_URL", "HUB_TWILIO_OPENAPI"}
    for page in PAGES:
        assert set(re.findall(r"\bHUB_[A-Z_]+[A-Z]\b", page.read_text())) - {"HUB_URL"} <= known, name_of(page)


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_from_models_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == MADE[name](), f"refresh docs/{name} with: {REFRESH}"


def test_the_schema_is_one() -> None:
    schema = json.loads((DOCS / "message-contract.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator({**schema["$defs"]["MessageResponse"], "$defs": schema["$defs"]})
    assert validator.is_valid({"output": {"generic": [{"response_type": "text", "text": "hello"}]}})
    assert not validator.is_valid({"output": {"generic": [{"response_type": "text", "text": {}}]}})


# --- docs/architecture.md ---------------------------------------------------------------------------------------------


def test_the_layers_are_those_that_are_checked() -> None:
    """Every module of the contract stands in the table, alone or as its package, and in the same order."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    layers = config["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    text = (DOCS / "architecture.md").read_text().split("## Modules and layers")[1].split("\n## ")[0]
    rows = [re.findall(r"`(hub[\w.]*)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]
    at = {name: position for position, row in enumerate(rows) for name in row}
    places = [at.get(name, at.get(name.rpartition(".")[0], -1)) for name in layers]
    assert -1 not in places, layers[places.index(-1)]
    assert places == sorted(places)
    assert at.keys() <= {*layers, *(name.rpartition(".")[0] for name in layers)}


# --- docs/operations.md -----------------------------------------------------------------------------------------------


def logged_events() -> set[str]:
    """Names of log events: first arguments of debug, info, warning and error calls."""
    events = set()
    plugins = [file for file in ROOT.glob("plugins/*/hub_*/**/*.py") if "simulator" not in file.parts]
    for file in [*ROOT.glob("hub/**/*.py"), *plugins]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                named = isinstance(first, ast.Constant) and isinstance(first.value, str)
                if named and node.func.attr in ("debug", "info", "warning", "error"):
                    events.add(first.value)
    return events


def first_column(page: Path) -> set[str]:
    cells = [line.split("|")[1] for line in page.read_text().splitlines() if line.startswith("| `")]
    return {span for cell in cells for span in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("kind", ["events", "metrics", "statuses"])
def test_what_there_is_to_watch_is_documented(kind: str) -> None:
    column = first_column(DOCS / "operations.md")
    metrics = {each for each in strings_of("hub") if re.fullmatch(r"hub_[a-z]+(_[a-z]+)+", each)} - {"hub_write"}
    there = {"events": logged_events(), "metrics": metrics, "statuses": set(get_args(Status))}
    assert there[kind] <= column, sorted(there[kind] - column)
    assert column <= set.union(*there.values()), "documented, but not there"


def test_the_sentences_are_those_of_the_code() -> None:
    page = (DOCS / "operations.md").read_text()
    constants = [*strings_of("hub"), *strings_of("plugins/twilio/hub_twilio")]
    for sentence in re.findall(r'^\| "(.+?)" \|', page, re.M):
        for piece in sentence.split("…"):
            assert any(piece.strip() in constant for constant in constants), sentence


# --- all pages --------------------------------------------------------------------------------------------------------


def command_lines(page: Path) -> list[str]:
    """Everything on a page that is a call of ``hub`` or ``make``."""
    lines = [line for block in blocks(page) if block.language in ("", "sh", "ini") for line in block.text.splitlines()]
    found = []
    for text in [*lines, *code_spans(page)]:
        match = re.search(r"(?:^|[=\s])(?:[\w./-]*/bin/)?((?:hub|make) .+?)(?:  +[#←].*|\s+#.*)?$", text.strip())
        if match and not re.match(r"hub (answered|and)", match[1]):
            found.append(match[1])
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_exists(page: Path) -> None:
    targets = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.M)[0].split()
    for line in command_lines(page):
        program, *words = shlex.split(line.replace("…", "X"))
        if program == "make":
            assert {word for word in words if "=" not in word} <= set(targets), line
            continue
        command: click.Command = hub_command
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            below = command.get_command(click.Context(command), words.pop(0))
            assert below is not None, f"{name_of(page)}: {line}"
            command = below
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options, f"{name_of(page)}: {line}"


def test_every_command_is_documented() -> None:
    said = " ".join(line for page in PAGES for line in command_lines(page))
    for name in hub_command.list_commands(click.Context(hub_command)):
        command = hub_command.get_command(click.Context(hub_command), name)
        names = [f"{name} {below}" for below in command.commands] if isinstance(command, click.Group) else [name]
        for each in names:
            assert f"hub {each}" in said, f"hub {each} is documented nowhere"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = prose(page)
    for target in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r"(?:src|href|srcset)=\"([^\"]+)\"", text)]:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name_of(page)}: {target}"
        assert not anchor or anchor in anchors(file), f"{name_of(page)}: {target}"


CONFIGURED = [page for page in PAGES if any(block.language == "toml" and not block.title for block in blocks(page))]


@pytest.mark.parametrize("page", CONFIGURED, ids=name_of)
def test_hub_apply_takes_every_configuration_that_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub = Hub.build(_config(tmp_path), _registry(tmp_path, monkeypatch))
    schema.upgrade(hub.config.database_url)
    try:
        for block in blocks(page):
            if block.language == "toml" and not block.title:
                file = tmp_path / "hub.toml"
                file.write_text(block.text)
                environ = {name: ANYTHING.get(name, "word") for name in re.findall(r'env = "(\w+)"', block.text)}
                document = read_file(file, environ)
                assistants = document.get("assistant", {}).items()
                # A page may show a table of an assistant that is there already.
                there = {name: {"plugin": "demo"} for name, table in assistants if "plugin" not in table}
                apply({"assistant": there}, hub.store, hub.registry, hub.vault)
                assert apply(document, hub.store, hub.registry, hub.vault)
    finally:
        hub.store.close()


def _config(folder: Path) -> Any:
    from hub.config import Config

    return Config.from_environment({"HUB_DATABASE_URL": f"sqlite:///{folder / 'hub.sqlite3'}"})


def _registry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The plugins of this repository, and the one of docs/plugins.md."""
    (folder / "hub_carrier").mkdir()
    for block in blocks(DOCS / "plugins.md"):
        if block.title.startswith("hub_carrier/"):
            (folder / block.title).write_text(block.text)
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "hub_carrier"]:
        monkeypatch.delitem(sys.modules, name)
    found = [*entry_points(group=GROUP), EntryPoint("carrier", "hub_carrier", GROUP)]
    return Registry(PLUGINS | {"carrier"}, found)


if __name__ == "__main__":
    for name, made in MADE.items():
        (DOCS / name).write_text(made())
