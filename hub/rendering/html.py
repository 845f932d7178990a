"""Which tags are markup, and what a start tag holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BREAKS = _names("br hr")
BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer"
    " form h1 h2 h3 h4 h5 h6 head header hgroup html legend li main menu nav ol p pre search section speak summary"
    " table tbody tfoot thead title tr ul"
)
SPACES = _names("td th break")  # what stands before and after them are words apart
_INLINE = _names(
    "a abbr acronym area audio b base basefont bdi bdo big button canvas cite code col colgroup data datalist del dfn"
    " dir em embed font frame frameset i iframe img input ins kbd label link map mark meta meter noframes noscript"
    " object optgroup option output param picture progress q rp rt ruby s samp select slot small source span strike"
    " strong sub sup svg template textarea time track tt u var video wbr"
)
_SPEECH = _names(
    "amazon:domain amazon:effect break emphasis express-as lang lexicon lookup metadata p paragraph phoneme prosody s"
    " say-as sentence sub token voice w"
)
ELEMENTS = BREAKS | BLOCKS | SPACES | _INLINE | _SPEECH

_CERTAIN = _names(
    "a b bdi bdo blockquote br dd del dfn div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q rp rt ruby"
    " s samp say-as small span speak strike strong sub sup svg tbody td tfoot th thead tr tt u ul var wbr"
)
"""Elements that are no words: people write ``<address>`` or ``<time>`` for something to fill in."""

_FLAGS = _names(
    "allowfullscreen async autofocus autoplay checked compact controls default defer disabled hidden inert loop"
    " multiple muted nohref noshade novalidate nowrap open playsinline readonly required reversed selected"
)
"""Attributes that stand without a value."""

_HIDDEN = re.compile(r"<!--|<(script|style)(?=[\s/>])[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tag:
    """A start or end tag."""

    name: str
    attributes: dict[str, str]
    ends: bool


class _TagParser(HTMLParser):
    """Reads one start tag."""

    def __init__(self) -> None:
        super().__init__()
        self.found: tuple[str, list[tuple[str, str | None]]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found = (tag, attrs)


def tag(written: str, text: str) -> Tag | None:
    """The tag that `written` is; None if it is none, or may be meant as something to read.

    :param written: from ``<`` to ``>``.
    :param text: the text it stands in, in lower case: an element that is closed somewhere is one.
    """
    if written.startswith("</"):
        name = written[2:-1].strip().lower()
        return Tag(name, {}, True) if name in ELEMENTS else None
    parser = _TagParser()
    parser.feed(written)
    if parser.found is None or parser.found[0] not in ELEMENTS:
        return None
    name, attributes = parser.found
    if any(value is None and attribute not in _FLAGS for attribute, value in attributes):
        return None  # "a <b and c> d"
    if name in _CERTAIN or attributes or written.endswith("/>") or f"</{name}" in text:
        return Tag(name, {attribute: value or "" for attribute, value in attributes}, False)
    return None


def without_hidden(text: str) -> str:
    """`text` without comments, scripts and styles; one that does not end stays."""
    kept: list[str] = []
    done = start = 0
    missing: set[str] = set()  # ends that do not occur any more; looked for once, or time would grow with the square
    lower = text.lower() if len(text.lower()) == len(text) else text
    while found := _HIDDEN.search(text, start):
        start = found.end()
        closer = f"</{found[1].lower()}" if found[1] else "-->"
        if closer in missing:
            continue
        end = lower.find(closer, start)
        end = text.find(">", end) if end >= 0 else end
        if end < 0:
            missing.add(closer)
            continue
        kept.append(text[done : found.start()])
        done = start = end + 1
    return "".join([*kept, text[done:]])
