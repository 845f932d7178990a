"""The examples of the pages for dialog authors: each is cut out of its page and played on a hub."""

from __future__ import annotations

import ast
import itertools
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from inprocess import LocalHub
from page_hub import FILES, Example
from pages import DOCS, PAGES, Block, blocks, name_of, prose
from werkzeug.serving import make_server

from hub.contract.elements import TYPES
from hub.plugins import GROUP
from hub.rendering.choices import Choice, choose
from hub.testing import wait_until

AUTHORS = [DOCS / f"{name}.md" for name in ("answers", "commands", "attachments", "webhooks")]


def examples() -> Iterator[Any]:
    for page in AUTHORS:
        for heading, found in itertools.groupby(blocks(page), key=lambda block: block.heading):
            parts = list(found)
            if any(block.label for block in parts):
                yield pytest.param(parts, id=f"{page.stem}: {heading}")


def sizes(page: Path) -> dict[str, tuple[str, int]]:
    """Type and bytes of the files in the page's tables."""
    rows = re.findall(rf"^\| `({FILES}/[^`]+)` \| `([^`]+)` \| ([\d,]+) \|", page.read_text(), re.MULTILINE)
    return {address: (media_type, int(size.replace(",", ""))) for address, media_type, size in rows}


@pytest.mark.parametrize("parts", list(examples()))
def test_an_example_does_what_the_page_says(
    parts: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_ALLOW_PRIVATE_URLS", "1")
    assert any(block.label in ("phone", "request", "posted", "logged") for block in parts), "nothing to compare"
    Example(parts, sizes(parts[0].page), tmp_path).play()


# --- tables -----------------------------------------------------------------------------------------------------------


def first_column(page: Path, heading: str) -> set[str]:
    """Everything in code spans in the first column of the tables beneath `heading`."""
    text = re.split(rf"^## {re.escape(heading)}$", page.read_text(), maxsplit=1, flags=re.MULTILINE)[1]
    lines = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0].splitlines()
    rows = [line for line, below in itertools.pairwise([*lines, ""]) if not below.startswith("|---")]
    cells = [line.split("|")[1] for line in rows if line.startswith("| `")]
    return {span for cell in cells for span in re.findall(r"`([^`]+)`", cell)}


def constants(package: str) -> set[str]:
    """Every string of the sources of a package."""
    files = sorted((DOCS.parent / package).rglob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_response_type_is_in_the_table() -> None:
    listed = first_column(DOCS / "answers.md", "What becomes of each response type")
    # Its other name stands in the second column.
    assert listed == TYPES - {"conversational_search"}


def test_every_command_is_in_the_table() -> None:
    tree = ast.parse((DOCS.parent / "hub/commands.py").read_text())
    run = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_run")
    words = {node.value for node in ast.walk(run) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    known = {word for word in words if re.fullmatch(r"[a-z]+[A-Z]\w+", word)} - {"mediaURL", "prefixText"}
    assert first_column(DOCS / "commands.md", "All commands") == known
    assert set(re.findall(r"\bv\w+Act\w+", prose(DOCS / "commands.md"))) <= constants("hub")


def test_the_variables_are_those_of_the_hub() -> None:
    ours = constants("hub") | constants("plugins/attachments")
    for heading in ("Variables that the hub sets", "Variables that the hub reads", "Inputs that are not the person's"):
        assert first_column(DOCS / "commands.md", heading) <= ours, heading


def test_every_kind_of_authentication_is_described_and_shown() -> None:
    page = DOCS / "webhooks.md"
    kinds = first_column(page, "Prove who is calling")
    grants = first_column(page, "OAuth 2.0")
    source = (DOCS.parent / "hub/auth/settings.py").read_text()
    assert kinds == set(re.findall(r'type: Literal\["(\w+)"\]', source))
    assert grants == set(re.findall(r'"(\w+)"', re.findall(r"^Grant = (.+)$", source, re.MULTILINE)[0]))
    shown = "\n".join(block.text for block in blocks(page) if block.language == "toml")
    assert kinds == set(re.findall(r'type = "(\w+)"', shown))
    assert grants == set(re.findall(r'grant = "(\w+)"', shown)) - {"custom_apikey"}


def test_the_sentences_of_a_failure_are_the_plugins() -> None:
    section = (DOCS / "webhooks.md").read_text().split("## When a webhook fails")[1].split("\n## ")[0]
    sentences = re.findall(r"^\| \d+ \| `([^`]+)` \|", section, re.MULTILINE)
    known = constants("plugins/webhooks/hub_webhooks")
    assert len(sentences) == 7
    for sentence in sentences:
        pieces = [piece for piece in re.split(r"\d+|…", sentence) if piece.strip()]
        assert all(any(piece in constant for constant in known) for piece in pieces), sentence


# --- servers ----------------------------------------------------------------------------------------------------------


def server(title: str) -> str:
    (text,) = (block.text for block in blocks(DOCS / "webhooks.md") if block.title == title)
    return text


SECRET = "shared-with-the-webhook-0123456789"


@pytest.fixture
def flask_app(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    names: dict[str, Any] = {"__name__": "webhook"}
    exec(compile(server("webhook.py"), "webhook.py", "exec"), names)
    return names["app"], names["events"]


def test_the_flask_server_refuses_strangers(flask_app: Any) -> None:
    app, events = flask_app
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "x"}):
        assert app.test_client().post("/log", json={"payload": {"log_id": "1"}}, headers=headers).status_code == 401
    assert events == []


def test_the_flask_server_works_with_the_hub(flask_app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_ALLOW_PRIVATE_URLS", "1")
    app, events = flask_app
    running = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{running.server_port}"
    auth = {"type": "jwt", "secret": SECRET}
    webhooks = [each for each in entry_points(group=GROUP) if each.name == "webhooks"]
    try:
        with LocalHub(f"sqlite:///{tmp_path / 'hub.sqlite3'}", tmp_path, plugins=webhooks) as hub:
            hub.configure(
                sections={
                    "premessage": {"url": f"{url}/premessage", "auth": auth, "on_error": "fail"},
                    "postmessage": {"url": f"{url}/postmessage", "auth": auth, "on_error": "fail"},
                    "log": {"url": f"{url}/log", "secret": SECRET},
                }
            )
            hub.hub.logs.start()
            hub.converse("hi", "When do you OPEN?")
            assert hub.provider.texts == ["echo hi", "Your library", "Monday to Friday, 9 to 18."]
            assert hub.script.inputs == ["hi"]
            assert hub.script.requests[0]["context"]["skills"]["main skill"]["user_defined"]["checked"] is True
            wait_until(lambda: len(set(events)) == 2, what="two log events")
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def test_the_express_server_can_be_read(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    file = tmp_path / "webhook.js"
    file.write_text(server("webhook.js"))
    done = subprocess.run([node, "--check", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_both_servers_have_the_same_routes() -> None:
    python = re.findall(r'@app\.post\("([^"]+)"\)', server("webhook.py"))
    assert python == re.findall(r'app\.post\("([^"]+)"', server("webhook.js"))


# --- the examples themselves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_called_json_is_json(page: Path) -> None:
    for block in blocks(page):
        if block.language == "json":
            json.loads(block.text)
            assert block.label or page not in AUTHORS, f"{block.heading}: an example that nobody plays"


def test_the_ways_to_choose_are_those_of_the_table() -> None:
    labels = {"Boat": "boat cover", "Car": "car cover", "House": "house cover"}
    choices: list[Choice] = [{"label": label, "input": {"text": text}} for label, text in labels.items()]
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|$", (DOCS / "answers.md").read_text(), re.MULTILINE)
    seen = 0
    for said, chosen in rows:
        if not re.match(r"the (second )?entry|nothing: the assistant gets `9`", chosen):
            continue
        for words in re.findall(r"`([^`]+)`", said):
            seen += 1
            found = choose(choices, words)
            assert found == (None if chosen.startswith("nothing") else {"text": "car cover"}), words
    assert seen == 9


TEXT = {"response_type": "text", "text": "A"}


@pytest.mark.parametrize(
    ("language", "label", "text"),
    [
        ("text", "phone", "│ B\n"),
        ("text", "phone", "│ A\n\n│ A\n"),
        ("json", "request", '{"input": {"text": "something else"}}'),
        ("json", "answer", json.dumps(TEXT)),  # nobody asks for a second one
    ],
)
def test_an_example_that_is_wrong_is_noticed(
    language: str, label: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_ALLOW_PRIVATE_URLS", "1")
    page = DOCS / "answers.md"
    right = [Block(page, "json", "answer", "", json.dumps(TEXT), "h"), Block(page, "text", "phone", "", "│ A\n", "h")]
    Example(right, {}, tmp_path).play()
    wrong = Block(page, language, label, "", text, "h")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(AssertionError):
        Example([right[0], wrong] if label == "phone" else [*right, wrong], {}, other).play()
