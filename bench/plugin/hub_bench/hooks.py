"""Five plugins with one premessage hook each, which does as little as a hook can do and still matter."""

from __future__ import annotations

from typing import Any

from hub import Turn, hookimpl


class Hook:
    """Notes in the context that it was there."""

    def __init__(self, name: str) -> None:
        self._name = name

    @hookimpl
    def premessage(self, turn: Turn, request: dict[str, Any]) -> dict[str, Any]:
        request["context"]["skills"]["main skill"]["user_defined"][self._name] = turn.kind
        return request


one, two, three, four, five = (Hook(name) for name in ("one", "two", "three", "four", "five"))
