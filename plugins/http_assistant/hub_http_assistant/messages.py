"""The session id in requests and responses of the message contract. Nothing here changes what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_session(request: Mapping[str, Any], session_id: str | None) -> dict[str, Any]:
    """`request` with the assistant's own id of the session in ``context.global.session_id``, unless there is none or
    one stands there already."""
    context = request.get("context")
    context = context if isinstance(context, Mapping) else {}
    if session_id is None or _in_context(context) is not None:
        return dict(request)
    part = context.get("global")
    part = part if isinstance(part, Mapping) else {}
    return {**request, "context": {**context, "global": {**part, "session_id": session_id}}}


def session_of(response: Mapping[str, Any]) -> str | None:
    """What the assistant calls the session: ``session_id`` of its response, else that of the context, or None."""
    return _text(response.get("session_id")) or _in_context(response.get("context"))


def _in_context(context: Any) -> str | None:
    part = context.get("global") if isinstance(context, Mapping) else None
    return _text(part.get("session_id")) if isinstance(part, Mapping) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
