"""The pages of README and docs: their code blocks, their prose, and the sections that blocks stand in."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("plugins/*/README.md"), ROOT / "bench/README.md"])

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: (?P<label>\w+))?(?: title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced code block: ```` ```language label title="…" ````."""

    page: Path
    language: str
    label: str
    title: str
    text: str
    heading: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    return list(_blocks(page))


def _blocks(page: Path) -> Iterator[Block]:
    heading, done, source = "", 0, page.read_text()
    for found in _FENCE.finditer(source):
        heading = ([heading, *re.findall(r"^#+ (.+)$", source[done : found.start()], re.MULTILINE)])[-1]
        done = found.end()
        yield Block(
            page, found["language"], found["label"] or "", found["title"] or "", textwrap.dedent(found["text"]), heading
        )


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", page.read_text())


def code_spans(page: Path) -> list[str]:
    return [" ".join(span.replace(r"\|", "|").split()) for span in re.findall(r"`([^`]+)`", prose(page))]
