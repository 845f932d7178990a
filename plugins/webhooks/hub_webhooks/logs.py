"""The webhook that is told of messages and calls (IBM: log webhook)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import LogEvent, LogFailed
from hub_webhooks.calls import Call, accepted
from hub_webhooks.errors import WebhookFailed
from hub_webhooks.settings import EVENTS, LogSettings


def log_body(event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a call."""
    return {"event": {"name": event}, "payload": payload}


def report(settings: LogSettings, event: LogEvent) -> None:
    """Pass `event` on, if the webhook has subscribed to it; what it answers is not read.

    :raises LogFailed: it could not be passed on; ``retryable`` after a broken connection, a time-out, 429 and 5xx.
    """
    if EVENTS.get(event.name) not in settings.subscribe:
        return
    try:
        accepted(Call(settings, event.assistant, "log", event.services).post(log_body(event.name, event.payload)))
    except WebhookFailed as failure:
        sentence = f"{failure} ({failure.detail})" if failure.detail else str(failure)
        raise LogFailed(sentence, retryable=failure.retryable) from None
