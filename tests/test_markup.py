"""Markup becomes plain text, and what only looks like markup stays as it was written."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rendering import markup
from hub.rendering.markup import plain


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Go <b>now</b> &amp; see [site](https://e.example)", "Go now & see site https://e.example"),  # case 31
        ("&lt;b&gt; &copy; &#65;", "<b> © A"),
        ("a&nbsp;b", "a b"),
        ("**Note:** *see* `x_y` _it_ __now__", "Note: see x_y it now"),
        ("は**重要**です", "は重要です"),
        ("**Note:** 5 \\* 3", "Note: 5 * 3"),
        ("# Head *x*\ntext\n## Next ##", "Head x\ntext\nNext"),
        ("```python\nx = *1*\n  y\n```\nend", "x = *1*\n  y\nend"),
        ("```Hello there\nx\n```", "Hello there\nx"),
        ("`<b>`", "<b>"),
        # Links and pictures
        ("[https://e.example](https://e.example)", "https://e.example"),
        ("[www.e.example](https://www.e.example/)", "https://www.e.example/"),
        ("[site](https://e.example).", "site https://e.example."),
        ("[site](https://e.example)now", "site https://e.example now"),
        ('[x](https://e.example "Title") y', "x https://e.example (Title) y"),
        ('<a href="https://e.example?a=1&amp;b=2">site</a>', "site https://e.example?a=1&b=2"),
        ('<a href="https://e.example">https://e.example</a>', "https://e.example"),
        ('<a href="https://e.example">site', "site https://e.example"),
        ("<a href='tel:+15550000001'>+15550000001</a>", "+15550000001"),
        ('<a href="https://e.example">site<p>', "site https://e.example"),
        ('<a href="https://e.example">site<br></a>\nend', "site\nhttps://e.example\nend"),
        ("<a name=x>y</a>", "y"),
        ("![Map](https://e.example/p.png)", "Map https://e.example/p.png"),
        ('<img src="https://e.example/p.png" alt="Map">', "Map https://e.example/p.png"),
        ("https://e.example/_foo_/*bar *x*", "https://e.example/_foo_/*bar x"),
        # Lines
        ("a<br>b<br/>\nc", "a\nb\nc"),
        ("a<br><br>b", "a\n\nb"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<ul><li>a</li><li>b</li></ul>end", "- a\n- b\nend"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        # Left out
        ("x <script>alert('**')</script>y", "x y"),
        ("x <STYLE a=b>*{}\n\n*{}</STYLE >y<!-- c\n\nd -->", "x y"),
        ('<speak>Hello<break time="1s"/><prosody rate="slow">you</prosody></speak>', "Hello you"),
        # What stands beside markup stays
        ("1. **x**\n2. y\n\n- z\n+ w\n* v\n   1) u", "1. x\n2. y\n\n- z\n+ w\n* v\n   1) u"),
        ("> quote **b**", "> quote b"),
        ("| a | **b** |\n|---|---|\n| c | d |", "| a | b |\n|---|---|\n| c | d |"),
        ("  two **b**\n    four `c`", "  two b\n    four c"),
        ("see [1] and **b**\n\n[1]: https://e.example", "see [1] and b\n\n[1]: https://e.example"),
        ("**open *b*", "**open b"),
        ("Hi <your name>, **b**", "Hi <your name>, b"),
        ("Reply <address> or <time>, <b>soon</b>", "Reply <address> or <time>, soon"),
        ("<address>Main St</address>", "Main St"),
        ("   **a**   \n\n   b   ", "   a   \n\n   b   "),
    ],
)
def test_markup_is_read(written: str, read: str) -> None:
    assert plain(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d", "a <b and c> d", "2 * 3 * 4", "2*3*4", "(2)*(3)*(4)", "snake_case_name", "#1 choice",
        "press #\n#", "Jane <jane@example.com>", "<https://e.example>", "I <3 you", "[1] note", "f[i](x)", "**",
        "f**k and s**t", "____ and (____) and (____)", "^_^ and ^_^", "¯\\_(ツ)_/¯", "C:\\_x\\_y", "AT&T &copy x",
        "<your name>", "</your name>", "<!-- open", "<script> open", "```\nopen", "```\n```x",
        "Card ****1234 and ****5678",
        "https://e.example/_a_/b", "*9 or *0", "- a\n- b\n", "\ta\r\nb", "<?x?> <!DOCTYPE>", "[a]: https://e.example",
    ],
)  # fmt: skip
def test_what_is_no_markup_stays(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("mark", ["[", "*", "<", "_", "`", "&", "<a ", "[](", "![", "**a*", "<!--", "<script>", "\\["])
def test_no_text_takes_long(mark: str) -> None:
    for count in (100_000 // len(mark), markup.MOST_MARKS // 2):
        started = time.process_time()
        plain(mark * count + " *x*")
        assert time.process_time() - started < 5


def test_a_text_beyond_the_bounds_stays() -> None:
    text = "**b** " + "x" * markup.LONGEST
    assert plain(text) == text
    assert plain(text[: markup.LONGEST]).startswith("b x")


WORDS = st.text("abcß日", min_size=1, max_size=8).map("q{}".format)  # no name of an element or a language
MARKS = st.sampled_from([
    "*", "**", "_", "`", "```", "[", "]", "(", ")", "![", "](", ">", "#", "\n", "\n\n", "<", "</", "<b>", "</b>", "<p>",
    "<li>", "<br>", "</a>", "&", "&amp;", "&lt;", "\\", "|", "-", "+", "1.", "~", ":", "https://", "<!--", "=", '"',
])  # fmt: skip
PIECES = st.one_of(
    WORDS,
    MARKS,
    st.builds("[{0}](https://{1}.example '{2}')".format, WORDS, WORDS, WORDS),
    st.builds('<a href="https://{0}.example">{1}'.format, WORDS, WORDS),
)


@given(st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " ", "\n"])), max_size=30))
def test_no_word_is_lost(pieces: list[tuple[str, str]]) -> None:
    text = "".join(map("".join, pieces))
    read = plain(text)
    for word in set(re.findall(r"q[abcß日]+", text)):
        assert word in read


@given(st.text())
def test_nothing_raises(text: str) -> None:
    plain(text)


@given(st.text(st.sampled_from("*_`[]()<>!#&;\\/-~\"'=ab \n\t:.1|"), max_size=60))
def test_nothing_raises_for_marks(text: str) -> None:
    read = plain(text)
    assert sorted(filter(str.isdigit, text)) == sorted(filter(str.isdigit, read)) or "<" in text or "&" in text


@given(st.text(st.characters(exclude_characters="*_`<&#[", exclude_categories=["Cs"])))
def test_plain_text_is_left_alone(text: str) -> None:
    assert plain(text) == text
