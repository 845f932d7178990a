"""The two webhooks in the way of a message (IBM: pre-message webhook, post-message webhook)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hub import Answer, ContractError, HttpResponse, Turn, TurnFailed, require_request, require_response
from hub_webhooks.calls import Call, accepted, json_object, payload_of
from hub_webhooks.errors import NOT_VALID, WebhookFailed, not_valid
from hub_webhooks.merge import merged
from hub_webhooks.settings import MessageWebhook, PostmessageSettings, PremessageSettings

RETURN_HEADER = "x-watson-assistant-webhook-return"
"""A pre-message webhook that sends this header answers in the assistant's place."""


def envelope(event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a call: `payload` with the event's name around it."""
    return {"event": {"name": event}, "options": {}, "payload": payload}


def before(settings: PremessageSettings, turn: Turn, request: dict[str, Any]) -> dict[str, Any] | Answer | None:
    """What the webhook makes of `request`; its answer, if it skips the assistant; None for an error passed over.

    :raises TurnFailed: it failed, and the settings say that the turn fails with it.
    """
    try:
        call = Call(settings, turn.assistant, "premessage", turn.services)
        response = accepted(call.post(envelope("message_received", request)))
        if RETURN_HEADER in response.headers:
            return Answer(answer_of(response, turn.session.context))
        return request_of(response, request)
    except WebhookFailed as failure:
        _failed(settings, turn, "premessage", failure)
        return None


def after(settings: PostmessageSettings, turn: Turn, response: dict[str, Any]) -> dict[str, Any] | None:
    """What the webhook makes of `response`; None for an error passed over, or when it is not to be called.

    :raises TurnFailed: as :func:`before`.
    """
    if turn.answered_by is not None and not settings.after_skip:
        return None
    sent = completed(response, turn)
    try:
        call = Call(settings, turn.assistant, "postmessage", turn.services)
        return response_of(accepted(call.post(envelope("message_processed", sent))), response, sent)
    except WebhookFailed as failure:
        _failed(settings, turn, "postmessage", failure)
        return None


def request_of(answer: HttpResponse, request: Mapping[str, Any]) -> dict[str, Any]:
    """`request` with what the webhook returned laid over it.

    :raises WebhookFailed: the answer cannot be used, or the result is no message request.
    """
    result = merged(request, payload_of(json_object(answer)))
    try:
        require_request(result)
    except ContractError as error:
        if _has_more(error, request):
            raise not_valid(error) from None
    return result


def answer_of(answer: HttpResponse, context: Mapping[str, Any]) -> dict[str, Any]:
    """The message response that the webhook gave in the assistant's place.

    The body is the response itself; a ``payload`` around it is taken off. A context in it is laid over `context`, the
    stored one: the webhook has seen only what the request holds of it.

    :raises WebhookFailed: the answer cannot be used, or is no message response.
    """
    body = json_object(answer)
    if "output" not in body and isinstance(body.get("payload"), dict):
        body = body["payload"]
    result = {name: body[name] for name in ("output", "context", "user_id") if body.get(name) is not None}
    if isinstance(result.get("context"), dict):
        result["context"] = merged(context, result["context"])
    try:
        require_response(result)
    except ContractError as error:
        raise not_valid(error) from None
    return result


def response_of(answer: HttpResponse, response: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """`response` with what the webhook returned laid over it.

    What :func:`completed` has put into `sent` is taken out again where the webhook did not change it; the stored
    context would otherwise be replaced by what was only shown. Only the frame of the result is checked: elements of
    the answer are the webhook's business (IBM lists no validation error for the post-message webhook).

    :raises WebhookFailed: the answer cannot be used, or the result has no frame of a message response.
    """
    result = merged(sent, payload_of(json_object(answer)))
    if not response.get("user_id") and result.get("user_id") == sent["user_id"]:
        result.pop("user_id", None)
        result |= {"user_id": response["user_id"]} if "user_id" in response else {}
    if "context" not in response and result.get("context") == sent["context"]:
        result.pop("context", None)
    elif isinstance(result.get("context"), dict):
        result["context"] = _without_shown_id(result["context"], response.get("context"), sent["context"])
    output = result.get("output")
    generic = output.get("generic", []) if isinstance(output, dict) else None
    if not isinstance(generic, list) or not all(isinstance(element, dict) for element in generic):
        raise WebhookFailed("422", NOT_VALID, detail="output.generic: must be a list of objects")
    if not isinstance(result.get("context", {}), dict):
        raise WebhookFailed("422", NOT_VALID, detail="context: must be an object")
    return result


def completed(response: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """`response` as the webhook gets it: with the user's id, the context, and the session's id in it."""
    context = response.get("context")
    context = turn.session.context if context is None else context
    part = _object(_object(context).get("global"))
    session_id = turn.session.assistant_session_id or str(turn.session.id)
    if isinstance(context, Mapping) and not part.get("session_id"):
        context = {**context, "global": {**part, "session_id": session_id}}
    user = response.get("user_id") or _object(part.get("system")).get("user_id") or _user_id(turn.person)
    return {**response, "user_id": user, "context": context}


def _has_more(error: ContractError, request: Mapping[str, Any]) -> bool:
    """Whether `request` was without some of these problems. The context of a stateless assistant is of its own making,
    and what is odd about it is not the webhook's fault."""
    try:
        require_request(request)
    except ContractError as before:
        return not set(error.problems) <= set(before.problems)
    return True


def _without_shown_id(context: dict[str, Any], own: Any, sent: Mapping[str, Any]) -> dict[str, Any]:
    """`context` without the session's id, if that stands there only because the webhook was shown it."""
    own_part, part = _object(_object(own).get("global")), _object(context.get("global"))
    shown = _object(sent.get("global")).get("session_id")
    if own_part.get("session_id") or "session_id" not in part or part["session_id"] != shown:
        return context
    left = {name: value for name, value in part.items() if name != "session_id"}
    left |= {"session_id": own_part["session_id"]} if "session_id" in own_part else {}
    if not left and "global" not in _object(own):
        return {name: value for name, value in context.items() if name != "global"}
    return {**context, "global": left}


def _failed(settings: MessageWebhook, turn: Turn, section: str, failure: WebhookFailed) -> None:
    turn.services.log.warning(
        "assistant_webhook_failed",
        assistant=turn.assistant,
        kind=section,
        code=failure.code,
        reason=str(failure),
        detail=failure.detail,
        on_error=settings.on_error,
        correlation=turn.correlation,
    )
    if settings.on_error == "fail":
        raise TurnFailed(failure.code, str(failure)) from None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _user_id(person: str) -> str:
    """The MD5 of the number, as IBM's phone and SMS channels send it."""
    return hashlib.md5(person.encode(), usedforsecurity=False).hexdigest()
