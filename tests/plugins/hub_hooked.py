"""Hooks for tests; what they do is said by the text of the message."""

import os
import urllib.request
from typing import Any

from hub import Turn, hookimpl


@hookimpl
def premessage(turn: Turn, request: dict[str, Any]) -> dict[str, Any] | None:
    text = request["input"]["text"]
    if text == "pre raises":
        raise RuntimeError("premessage raised on purpose")
    if text == "pre wrong type":
        return "nonsense"  # type: ignore[return-value]
    if text == "pre shouts":
        request["input"]["text"] = "PRE SHOUTS"
        return request
    for attachment in turn.attachments:
        if text == "drop":
            turn.attachments.drop(attachment)
        elif text == "replace":
            assert attachment.read()
            turn.attachments.replace(attachment, b"%PDF-1.4 replaced", "application/pdf")
        elif text == "add":
            turn.attachments.add(b"note of a hook", "text/plain", "note.txt")
    return None


@hookimpl
def postmessage(turn: Turn, response: dict[str, Any]) -> dict[str, Any] | None:
    first = next((each.get("text", "") for each in response["output"]["generic"]), "")
    if "post raises" in first:
        raise RuntimeError("postmessage raised on purpose")
    if "post adds" in first:
        response["output"]["generic"].append({"response_type": "text", "text": "added by a hook"})
        return response
    if "post breaks" in first:
        return {"output": {"generic": "not a list"}}
    gate = os.environ.get("HOOKED_GATE")
    if gate:
        urllib.request.urlopen(gate, timeout=60).read()
    return None
