"""What no store and no provider takes."""

from __future__ import annotations


def encodable(text: str) -> str:
    """`text` without NUL, and with halves of surrogate pairs replaced; JSON allows both."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
