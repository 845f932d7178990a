"""Texts: with markup, several in one answer, too long for one message, and in an older form."""

from __future__ import annotations

from hub import Turn
from hub_demo.entries import Entry, Reply, always, text, texts

MARKUP = (
    "<p>This was written with <b>HTML</b> &amp; <i>Markdown</i>:</p><ul><li>an entry of a list</li>"
    "<li>another one</li></ul>**Bold**, _italic_ and `code` lose their marks, and a link keeps its address: "
    "[the message contract](https://cloud.ibm.com/apidocs/assistant-v2)."
)
PARAGRAPH = (
    "This is line {number} of a text that is too long for one message. It is cut where a reader would pause, and "
    "nothing of it is lost on the way. "
)
LONG_LINES = 14


def _several(_: Turn) -> Reply:
    return Reply([
        text("This is the first text of the answer."),
        text("The second: texts that fit together travel in one message, unless combine_messages is off."),
        {
            "response_type": "text",
            "values": [{"text": "The third has the form"}, {"text": "in which texts are authored."}],
            "selection_policy": "multiline",
        },
    ])  # fmt: skip


def _long(_: Turn) -> Reply:
    return texts("".join(PARAGRAPH.format(number=number) for number in range(1, LONG_LINES + 1)).strip())


def _older(_: Turn) -> Reply:
    return Reply(None, ("Older dialogs answer like this:", "a list of texts without response types."))


ENTRIES = (
    Entry("text", "A text with markup", always(text(MARKUP)), ("html", "markdown")),
    Entry("several", "Several texts", _several),
    Entry("long", "A text too long for one message", _long),
    Entry("older", "The texts of an older dialog", _older),
)
