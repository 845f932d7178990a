"""The conversation so far, as the session keeps it: pairs of messages within a budget.

Tokens are estimated, because counting them needs the tokenizer of the very model: a CJK character counts as one token,
of everything else four characters do.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

MOST_BYTES = 90_000
"""Of JSON; a session keeps 100,000 bytes for a plugin."""
CHARACTERS_PER_TOKEN = 4
_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message of the person and the answer to it."""

    person: str
    assistant: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Both in the form of the API."""
        return [{"role": "user", "content": self.person}, {"role": "assistant", "content": self.assistant}]

    @property
    def tokens(self) -> int:
        """Estimated tokens of both."""
        return tokens(self.person) + tokens(self.assistant)


def tokens(text: str) -> int:
    """Estimated tokens of `text`."""
    wide = len(_CJK.findall(text))
    return wide + math.ceil((len(text) - wide) / CHARACTERS_PER_TOKEN)


def cut(text: str, most: int) -> str:
    """The longest beginning of `text` that is estimated at `most` tokens or fewer."""
    text = text[: max(most, 0) * CHARACTERS_PER_TOKEN]
    quarters = most * CHARACTERS_PER_TOKEN
    for position, character in enumerate(text):
        quarters -= CHARACTERS_PER_TOKEN if _CJK.match(character) else 1
        if quarters < 0:
            return text[:position]
    return text


def recall(store: Mapping[str, Any], turn_id: UUID) -> list[Exchange]:
    """What was said before the turn `turn_id`, oldest first; an answer this turn has had already is left out."""
    contents = [message["content"] for message in store.get("history", [])]
    exchanges = [Exchange(*pair) for pair in zip(contents[::2], contents[1::2], strict=False)]
    return exchanges[:-1] if store.get("turn") == str(turn_id) else exchanges


def keep(store: MutableMapping[str, Any], turn_id: UUID, exchanges: Sequence[Exchange], budget: int) -> None:
    """Keep the newest of `exchanges`, the last of which is the turn's own, in the place of what was kept before.

    One that is larger than the budget is not kept: it could never be sent.
    """
    fitting = newest(exchanges, budget)
    store["history"] = [message for exchange in fitting for message in exchange.messages]
    store["turn"] = str(turn_id)


def newest(exchanges: Sequence[Exchange], budget: int) -> list[Exchange]:
    """The newest exchanges without a gap, in order, that have together no more than `budget` estimated tokens and
    :data:`MOST_BYTES`."""
    room, bytes_left = budget, MOST_BYTES
    first = len(exchanges)
    for exchange in reversed(exchanges):
        room -= exchange.tokens
        bytes_left -= len(json.dumps(exchange.messages))
        if room < 0 or bytes_left < 0:
            break
        first -= 1
    return list(exchanges[first:])


def newer_half(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """`exchanges` without the older half; of one nothing is left."""
    return list(exchanges[(len(exchanges) + 1) // 2 :])
