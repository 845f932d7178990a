"""The demo assistant: it looks for a few words, understands nothing, and shows what an answer can be."""

from __future__ import annotations

import copy
from typing import Any

from hub import Answer, Assistant, Turn
from hub_demo import choices, incoming, menu, sessions
from hub_demo.entries import Reply, text, texts


class Demo(Assistant):
    """Shows every response type and command by a menu, describes files, and repeats everything else."""

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        """Answer by the words of the text, or describe what came with it.

        :raises AssistantFailed: the person asked for an answer that fails.
        """
        described = incoming.described(request, turn)
        given = request["input"]
        said = str(given.get("text", "")).strip()
        reply = self._reply(said, given, turn) if said or not described else Reply([])
        if reply.generic is None:
            output: dict[str, Any] = {"text": [*described, *reply.older]}
        else:
            output = {"generic": [*map(text, described), *reply.generic]}
        return Answer({"output": output, "context": _context(request, reply)})

    def check(self) -> str:
        """Nothing can be wrong with it."""
        return "the demo assistant needs nothing"

    def _reply(self, said: str, given: dict[str, Any], turn: Turn) -> Reply:
        if turn.kind in ("no_input", "skip"):
            return sessions.forced(turn)
        if turn.kind == "timeout":
            return sessions.farewell(turn)
        if "suggestion_id" in given:
            return choices.suggested(given)
        if entry := menu.find(said):
            return entry.show(turn)
        return texts(f"You said: {said}" if said else "You sent an empty text.")


def _context(request: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """The context after the turn: that of the request with what the reply sets."""
    context: dict[str, Any] = copy.deepcopy(request.get("context", {}))
    if reply.variables:
        skills = context.setdefault("skills", {})
        skills.setdefault("main skill", {}).setdefault("user_defined", {}).update(reply.variables)
    if reply.system:
        context.setdefault("global", {}).setdefault("system", {}).update(reply.system)
    return context
