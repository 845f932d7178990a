"""Markdown, with HTML inside, read by markdown-it and written as plain text.

Only headings, fenced code and what stands within a line are read. Lists, quotes and tables are good plain text already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.emphasis import tokenize
from markdown_it.token import Token

from hub.rendering import html

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|[/#?]|\S*[./@]")
_BARE = re.compile(r"""[^\s<>"`\[\]]+""")
_SCHEME = re.compile(r"(?:https?|ftp)$", re.IGNORECASE)
_ESCAPABLE = frozenset("*_`[]<>#")
_OPERAND = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_FACE = frozenset("^->.<;='~")
_LANGUAGES = frozenset(
    (  # noqa: SIM905 - one name a line would hide the rest of the module
        "bash c c++ console cpp cs csharp css csv diff go html ini java javascript js json kotlin markdown md php plain"
        " plaintext python py ruby rust sh shell sql swift text toml ts txt typescript xml yaml yml"
    ).split()
)
_CLOSING = frozenset(" \t\r\n.,;:!?)]}'\"’”»|<")


class _Parser(MarkdownIt):
    def normalizeLink(self, url: str) -> str:  # noqa: N802
        """`url` as it was written."""
        return url

    def validateLink(self, url: str) -> bool:  # noqa: N802
        """Whether `url` looks like an address: ``f[i](x)`` is no link."""
        return bool(_ADDRESS.match(url))


class Reader:
    """Turns texts with markup into plain ones."""

    def __init__(self) -> None:
        parser = _Parser("zero", {"html": True, "maxNesting": 50})
        parser.enable(["heading", "fence", "escape", "backticks", "emphasis", "link", "image", "html_inline", "entity"])
        parser.disable("text_join")  # would hide which characters were entities
        parser.inline.ruler.at("emphasis", _emphasis)
        parser.inline.ruler.before("escape", "address", _address)
        self._parser = parser

    def read(self, text: str) -> str:
        """`text` as plain text; as it is if it holds no markup."""
        source = html.without_hidden(text)
        writer = _Writer(source)
        plain = writer.document(self._parser.parse(source))
        return plain if writer.changed or source != text else text


def _emphasis(state: StateInline, silent: bool) -> bool:
    """markdown-it's rule, but for marks that stand for themselves: ``2*3*4``, ``f**k``, ``____``, ``^_^``."""
    mark = state.src[state.pos]
    if mark not in "*_":
        return False
    end = state.pos
    while end < state.posMax and state.src[end] == mark:
        end += 1
    before = state.src[state.pos - 1] if state.pos else " "
    after = state.src[end] if end < len(state.src) else " "
    product = mark == "*" and (before in _OPERAND or before in ")]") and (after in _OPERAND or after in "([")
    face = mark == "_" and before in _FACE and after in _FACE
    if not (product or face or end - state.pos > 3):
        return tokenize(state, silent)
    if not silent:
        state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _address(state: StateInline, silent: bool) -> bool:
    """An address in the text: its underscores and stars are no emphasis."""
    start = state.pos
    if not state.src.startswith("://", start) or not _SCHEME.search(state.src[max(start - 6, 0) : start]):
        return False
    found = _BARE.match(state.src, start, state.posMax)
    if found is None:
        return False
    written = found.group().rstrip("*_~.,;:!?)'")
    if len(written) <= len("://"):
        return False
    if not silent:
        state.append_pending(written)
    state.pos += len(written)
    return True


class _Writer:
    """Writes the tokens of one text.

    :ivar changed: whether there was any markup.
    """

    def __init__(self, source: str) -> None:
        self.changed = False
        self._lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._lower = source.lower()
        self._written: list[str] = []
        self._links: list[tuple[int, str, str]] = []  # where the label begins, address, title
        self._after_address = False
        self._after_break = False

    def document(self, tokens: Iterable[Token]) -> str:
        done = 0
        heading = False
        for token in tokens:
            if token.type in ("heading_open", "heading_close"):
                heading = token.nesting > 0
            if token.type not in ("inline", "fence") or token.map is None:
                continue
            first, end = token.map
            self._text("".join(line + "\n" for line in self._lines[done:first]))
            done = end
            if token.type == "fence":
                self._fence(token, self._lines[first:end])
            else:
                self._block(token, self._lines[first:end], heading)
            if end < len(self._lines):
                self._text("\n")
        self._text("\n".join(self._lines[done:]))
        if self._after_break:
            self._written.pop()  # an element's end at the end of the text
        while self._links:
            self._end_link()
        return "".join(self._written)

    def _fence(self, token: Token, lines: list[str]) -> None:
        last = lines[-1].strip()
        closed = len(lines) > 1 and last.startswith(token.markup) and not last.strip(token.markup[0])
        if not closed:
            self._text("\n".join(lines))
            return
        self.changed = True
        named = token.info.strip()
        kept = lines[1:-1] if named.lower() in _LANGUAGES or not named else [named, *lines[1:-1]]
        self._text("\n".join(kept))

    def _block(self, token: Token, lines: list[str], heading: bool) -> None:
        if heading:
            if not token.content:
                self._text("\n".join(lines))
                return
            self.changed = True
        whole = "\n".join(lines)
        self._text(whole[: len(whole) - len(whole.lstrip())])
        self._inline(token.children or [])
        if not heading:
            self._text(whole[len(whole.rstrip()) :])

    def _inline(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            if token.type == "text":
                self._text(token.content)
            elif token.type == "text_special":
                self._special(token)
            elif token.type == "html_inline":
                self._tag(token.content)
            elif token.type == "image":
                self._image(token)
            else:
                self._mark(token)

    def _mark(self, token: Token) -> None:
        self.changed = True
        if token.type == "code_inline":
            self._text(token.content)
        elif token.type == "link_open":
            self._links.append((len(self._written), str(token.attrs["href"]), str(token.attrs.get("title", ""))))
        elif token.type == "link_close":
            self._end_link()
        elif token.type in ("hardbreak", "softbreak"):
            self._text("\n")

    def _text(self, text: str) -> None:
        if self._after_break and text.startswith("\n"):
            text = text[1:]  # the source breaks the line as well
        if not text:
            return
        if self._after_address and text[0] not in _CLOSING:
            text = " " + text
        self._after_address = self._after_break = False
        self._written.append(text)

    def _special(self, token: Token) -> None:
        if token.info == "entity":
            self.changed = True
            # A space that holds words together is rarely meant, and would make a text message cost twice as much.
            self._text(token.content.replace("\u00a0", " "))
        else:
            self._text(token.content if token.content in _ESCAPABLE else token.markup)

    def _image(self, token: Token) -> None:
        self.changed = True
        start = len(self._written)
        self._inline(token.children or [])
        self._links.append((start, str(token.attrs["src"]), str(token.attrs.get("title", ""))))
        self._end_link()

    def _end_link(self) -> None:
        start, address, title = self._links.pop()
        written = "".join(self._written[start:])
        label = written.strip()
        shown = re.sub(r"^(?:mailto|tel|sms):", "", address, flags=re.IGNORECASE)
        if label in (address, shown) or not address:
            pass
        elif label and re.sub(r"^https?://", "", shown).rstrip("/") == label:
            self._written[start:] = [written.replace(label, shown)]
        else:
            self._written.append(f"{'' if not written or written[-1].isspace() else ' '}{shown}")
        if title and title != label:
            self._written.append(f" ({title})")
        self._after_address = not title and bool(shown)
        self._after_break = False

    def _tag(self, written: str) -> None:
        tag = html.tag(written, self._lower) if written[1:2] not in ("!", "?") else None
        if tag is None:
            self._text(written)
            return
        self.changed = True
        if tag.name == "a":
            self._anchor(tag)
        elif tag.name == "img" and not tag.ends:
            self._picture(tag)
        elif tag.name in html.BREAKS:
            self._after_break = False
            self._text("\n")
            self._after_break = True
        elif tag.name in html.BLOCKS:
            self._new_line()
            if tag.name == "li" and not tag.ends:
                self._text("- ")
        elif tag.name in html.SPACES and not tag.ends and not self._at_start(" \t\n"):
            self._text(" ")

    def _anchor(self, tag: html.Tag) -> None:
        if tag.ends:
            if self._links:
                self._end_link()
        else:
            self._links.append((len(self._written), tag.attributes.get("href", "").strip(), ""))

    def _picture(self, tag: html.Tag) -> None:
        address = tag.attributes.get("src", "").strip()
        self._links.append((len(self._written), "" if address.startswith("data:") else address, ""))
        self._text(tag.attributes.get("alt", ""))
        self._end_link()

    def _new_line(self) -> None:
        if not self._at_start("\n"):
            self._text("\n")
            self._after_break = True

    def _at_start(self, after: str) -> bool:
        """Whether nothing is written yet, or what is written ends in one of the characters `after`."""
        return not self._written or self._written[-1][-1:] in after
