"""Promises are executable: what README and docs say is cut out, run and compared with the code.

``python tests/test_docs.py`` writes docs/settings.md anew.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import click
import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hub import hookspecs
from hub.apply import apply, read_file
from hub.assistants import Settings
from hub.channels import Status
from hub.cli import hub as hub_command
from hub.hub import Hub
from hub.plugins import Registry
from hub.store import schema

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PLUGINS = frozenset(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "setup.cfg").exists())
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("plugins/*/README.md"), ROOT / "bench/README.md"])
REFRESH = ".venv/bin/python tests/test_docs.py"
ANYTHING = {
    "TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
    "TWILIO_API_KEY_SID": f"SK{'0' * 32}",
    "TWILIO_MESSAGING_SERVICE_SID": f"MG{'0' * 32}",
}
"""Values of environment variables in TOML blocks that must have a form; every other one is just a word."""


FENCE = r"^( *)```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$"


class Block(NamedTuple):
    """A fenced code block of a page."""

    page: Path
    language: str
    title: str
    text: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    found = re.finditer(FENCE, page.read_text(), re.M | re.S)
    return [Block(page, each[2], each[3] or "", textwrap.dedent(each[4])) for each in found]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(FENCE, "", page.read_text(), flags=re.M | re.S)


def code_spans(page: Path) -> list[str]:
    return [" ".join(span.replace(r"\|", "|").split()) for span in re.findall(r"`([^`]+)`", prose(page))]


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


# --- docs/configuration.md, docs/settings.md --------------------------------------------------------------------------


def test_every_environment_variable_is_documented_and_no_other() -> None:
    read = {text for text in strings_of("hub") if re.fullmatch(r"(HUB|PROMETHEUS)_[A-Z_]+|[A-Z_]+_(BUNDLE|FILE)", text)}
    table = {each[1] for each in re.finditer(r"^\| `([A-Z_]+)` \|", (DOCS / "configuration.md").read_text(), re.M)}
    assert table == read
    # These are read by tests only.
    known = table | {"HUB_TEST_DATABASE_URL", "HUB_TWILIO_OPENAPI"}
    for page in PAGES:
        assert set(re.findall(r"\bHUB_[A-Z_]+[A-Z]\b", page.read_text())) - {"HUB_URL"} <= known, name_of(page)


def settings_page() -> str:
    """docs/settings.md as the models say."""
    registry = Registry(PLUGINS)
    lines = [
        "# Settings of channels and assistants",
        "",
        f"Made from the models; do not edit. To refresh: `{REFRESH}`.",
        "",
        "A setting marked *secret* is encrypted in the store. A setting without a default is needed.",
    ]
    for kind, types in (("Channel", registry.channels), ("Assistant", registry.assistants)):
        for name, each in sorted(types.items()):
            lines += ["", f"## {kind} `{name}`", "", each.title + ".", ""]
            lines += _table(each.settings)
    return "\n".join(lines) + "\n"


def _table(model: type[Settings]) -> list[str]:
    if not model.model_fields:
        return ["No settings."]
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        assert field.title, f"{model.__name__}.{name} has no title"
        assert field.description, f"{model.__name__}.{name} has no description"
        meaning = f"{field.title}. {field.description}".replace("|", r"\|")
        rows.append(f"| `{name}` | {_kind(field)} | {_default(field)} | {meaning} |")
    return rows


def _kind(field: FieldInfo) -> str:
    types = _types(field.annotation)
    choices = [each for each in types if isinstance(each, str)]
    named = {bool: "true or false", int: "whole number", float: "number"}
    if choices:
        kind = "one of " + ", ".join(choices)
    elif tuple in types:
        kind = "list"
    elif dict in types:
        kind = "table"
    else:
        kind = next((words for each, words in named.items() if each in types), "text")
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for limit in field.metadata:
        kind += "".join(f", {words} {getattr(limit, at)}" for at, words in bounds.items() if hasattr(limit, at))
    return f"{kind}, *secret*" if SecretStr in types else kind


def _types(annotation: Any) -> list[Any]:
    """Every type (and choice) that an annotation is made of; constraints are left out."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _types(inner[0])
    origin = [get_origin(annotation)] if get_origin(annotation) in (tuple, dict) else []
    return origin + [each for part in inner for each in _types(part)] if inner else [annotation]


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "needed"
    if value is None or value in ((), {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_every_setting_is_documented() -> None:
    assert (DOCS / "settings.md").read_text() == settings_page(), f"refresh docs/settings.md with: {REFRESH}"


# --- docs/operations.md -----------------------------------------------------------------------------------------------


def logged_events() -> set[str]:
    """Names of log events: first arguments of debug, info, warning and error calls."""
    events = set()
    for file in [*ROOT.glob("hub/**/*.py"), *ROOT.glob("plugins/twilio/hub_twilio/*.py")]:
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
                assert apply(read_file(file, environ), hub.store, hub.registry, hub.vault)
    finally:
        hub.store.close()


def _config(folder: Path) -> Any:
    from hub.config import Config

    return Config.from_environment({"HUB_DATABASE_URL": f"sqlite:///{folder / 'hub.sqlite3'}"})


def _registry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The plugins of this repository, and the one of docs/plugins.md."""
    from importlib.metadata import EntryPoint, entry_points

    (folder / "hub_carrier").mkdir()
    for block in blocks(DOCS / "plugins.md"):
        if block.title.startswith("hub_carrier/"):
            (folder / block.title).write_text(block.text)
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "hub_carrier"]:
        monkeypatch.delitem(sys.modules, name)
    found = [*entry_points(group="hub.plugins"), EntryPoint("carrier", "hub_carrier", "hub.plugins")]
    return Registry(PLUGINS | {"carrier"}, found)


if __name__ == "__main__":
    (DOCS / "settings.md").write_text(settings_page())
