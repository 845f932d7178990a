"""HTML, speech markup and Markdown turned into plain text that reads as it was meant.

What looks like markup and may be none stays as it was written: a word too many is better than one too few.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from hub.log import get_logger

if TYPE_CHECKING:
    from hub.rendering.markdown import Reader

LONGEST = 100_000
MOST_MARKS = 3_000
"""A text with more characters, or more of those that can begin markup, is left as it is: reading takes too long."""

_MARK = re.compile(r"[*_`<&#\[]")
_MARKUP = re.compile(
    r"(?<![A-Za-z0-9])[*_](?=\S)"  # emphasis may begin
    r"|`|\]\(|</?[A-Za-z]|<!--|&#?\w{1,40};"
    r"|^[ ]{0,3}\#{1,6}[ \t]",
    re.MULTILINE,
)


def plain(text: str) -> str:
    """`text` without the marks of HTML, speech markup (SSML) and Markdown.

    Links are followed by their address, entities are decoded, ``br``, ``p`` and the like break the line, and an ``li``
    begins with ``- ``. Scripts, styles and comments are left out. Markers of lists, quotes and tables, indentation and
    tags that are no elements stay. A text without markup comes back as it is.
    """
    if not _MARK.search(text) or not _MARKUP.search(text):
        return text
    if len(text) > LONGEST or sum(map(text.count, "*_`<&[#")) > MOST_MARKS:
        return text
    try:
        return _reader().read(text)
    except Exception:
        # Whatever a parser stumbles over, the person gets the words.
        get_logger().warning("markup_not_read", exc_info=True)
        return text


@cache
def _reader() -> Reader:
    from hub.rendering.markdown import Reader  # loads a parser that most texts do without

    return Reader()
