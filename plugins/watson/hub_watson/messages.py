"""Message requests and responses of the v2 API, as plain objects. Nothing here changes what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RETURN_CONTEXT = "return_context"


def stateful(request: Mapping[str, Any]) -> dict[str, Any]:
    """`request` with ``input.options.return_context``: without it the service keeps the context to itself, and the
    hub would see no command of the assistant (v2 API, message, ``MessageInputOptions``)."""
    return _with_options(request, {**_options(request), RETURN_CONTEXT: True})


def stateless(request: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """`request` for the stateless call: it has no ``return_context``, and the service knows the conversation only by
    ``context.global.session_id``.

    :param stored: context of the last answer.
    """
    body = _with_options(request, {key: value for key, value in _options(request).items() if key != RETURN_CONTEXT})
    session_id = session_of(stored)
    if session_id is not None and session_of(body.get("context")) is None:
        body["context"] = merged(body.get("context") or {}, {"global": {"session_id": session_id}})
    return body


def replayed(body: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """`body` for a new session that replaces an expired one: the context the hub kept is put under the request's, so
    that the new session knows what the old one did. The old session's id goes.

    :param stored: context of the last answer.
    """
    context = merged(stored, body.get("context") or {})
    if isinstance(context.get("global"), Mapping):
        context["global"] = {key: value for key, value in context["global"].items() if key != "session_id"}
    return {**body, "context": context}


def whole_context(response: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """`response` of a stateless call with a context the next turn can go on from: the request's own where the service
    sent none, and its session id where the service left it out."""
    sent = body.get("context") or {}
    context = response.get("context")
    if not isinstance(context, Mapping):
        context = sent
    if session_of(context) is None and session_of(sent) is not None:
        context = merged(context, {"global": {"session_id": session_of(sent)}})
    return {**response, "context": context}


def session_of(context: Any) -> str | None:
    """``global.session_id`` of a context, or None."""
    part = context.get("global") if isinstance(context, Mapping) else None
    value = part.get("session_id") if isinstance(part, Mapping) else None
    return value if isinstance(value, str) and value else None


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both objects as one: `over` wins, objects in both are merged, lists are taken whole."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _options(request: Mapping[str, Any]) -> Mapping[str, Any]:
    options = (request.get("input") or {}).get("options")
    return options if isinstance(options, Mapping) else {}


def _with_options(request: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """`request` with other ``input.options``; an empty one is left out."""
    given = {key: value for key, value in (request.get("input") or {}).items() if key != "options"}
    return {**request, "input": {**given, **({"options": dict(options)} if options else {})}}
