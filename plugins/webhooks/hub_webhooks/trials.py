"""Test calls: one made-up message to a webhook, and what came of it, for people to read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from hub import HttpResponse, Services, Tested
from hub_webhooks.calls import Call, accepted
from hub_webhooks.errors import WebhookFailed
from hub_webhooks.logs import log_body
from hub_webhooks.masking import MASK, masked, shown_url
from hub_webhooks.messages import RETURN_HEADER, answer_of, envelope, request_of, response_of
from hub_webhooks.settings import EVENTS, LogSettings, PostmessageSettings, PremessageSettings, WebhookSettings

LONGEST_ANSWER = 2000
SAMPLE_TEXT = "Test call of the integration hub; nobody has written this."
SAMPLE_USER = "integration-hub-test"
SAMPLE_SESSION = "00000000-0000-0000-0000-000000000000"
SAMPLE_TIME = "2026-01-01T00:00:00.000Z"
SAMPLE_REQUEST: dict[str, Any] = {
    "input": {"message_type": "text", "text": SAMPLE_TEXT},
    "context": {"global": {"system": {"user_id": SAMPLE_USER}}, "skills": {"main skill": {"user_defined": {}}}},
    "user_id": SAMPLE_USER,
}
SAMPLE_RESPONSE: dict[str, Any] = {
    "output": {"generic": [{"response_type": "text", "text": SAMPLE_TEXT}]},
    "context": {
        "global": {"session_id": SAMPLE_SESSION, "system": {"user_id": SAMPLE_USER, "turn_count": 1}},
        "skills": {"main skill": {"user_defined": {}}},
    },
    "user_id": SAMPLE_USER,
}


def try_premessage(settings: PremessageSettings, assistant: str, services: Services) -> Tested:
    """Call the pre-message webhook once with a made-up text; ok when the turn could go on with what it answered."""

    def judge(response: HttpResponse) -> None:
        if RETURN_HEADER in response.headers:
            answer_of(response, {})
        else:
            request_of(response, SAMPLE_REQUEST)

    return _tried(settings, assistant, "premessage", services, envelope("message_received", SAMPLE_REQUEST), judge)


def try_postmessage(settings: PostmessageSettings, assistant: str, services: Services) -> Tested:
    """Call the post-message webhook once with a made-up answer; ok when what it answered could be shown."""

    def judge(response: HttpResponse) -> None:
        response_of(response, SAMPLE_RESPONSE, SAMPLE_RESPONSE)

    return _tried(settings, assistant, "postmessage", services, envelope("message_processed", SAMPLE_RESPONSE), judge)


def try_log(settings: LogSettings, assistant: str, services: Services) -> Tested:
    """Call the log webhook once with a made-up event that it has subscribed to; ok when it answered a 2xx."""
    event = next(name for name, subscription in EVENTS.items() if subscription in settings.subscribe)
    sample = _sample_message(assistant) if event == "message_logged" else _sample_call(assistant)
    return _tried(settings, assistant, "log", services, log_body(event, sample))


def _sample_message(assistant: str) -> dict[str, Any]:
    return {
        "log_id": SAMPLE_SESSION,
        "request": SAMPLE_REQUEST,
        "response": SAMPLE_RESPONSE,
        "assistant_id": assistant,
        "session_id": SAMPLE_SESSION,
        "request_timestamp": SAMPLE_TIME,
        "response_timestamp": SAMPLE_TIME,
        "language": "en",
        "customer_id": SAMPLE_USER,
    }


def _sample_call(assistant: str) -> dict[str, Any]:
    return {"assistant_id": assistant, "session_id": SAMPLE_SESSION, "note": SAMPLE_TEXT}


def _tried(
    settings: WebhookSettings,
    assistant: str,
    section: str,
    services: Services,
    body: dict[str, Any],
    judge: Callable[[HttpResponse], None] | None = None,
) -> Tested:
    call = Call(settings, assistant, section, services)
    shown: list[str] = []
    ok = True
    began = time.perf_counter()
    milliseconds = 0.0
    try:
        try:
            response = call.post(body)
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
        shown.append(_shown_answer(response, call.secrets()))
        accepted(response)
        if judge is not None:
            judge(response)
    except WebhookFailed as failure:
        ok = False
        shown.insert(0, f"{failure} ({failure.detail})" if failure.detail else str(failure))
    return Tested(ok, _shown_request(settings, call, body), "\n".join(shown), milliseconds)


def _shown_request(settings: WebhookSettings, call: Call, body: dict[str, Any]) -> str:
    """Every header's value but those that the hub itself has chosen is masked."""
    own = {"Accept": "application/json", "Content-Type": "application/json"}
    headers = [f"{name}: {value if own.get(name) == value else MASK}" for name, value in call.sent_headers.items()]
    written = json.dumps(body, ensure_ascii=False, indent=2)
    return "\n".join([f"POST {shown_url(settings.url)}", *headers, "", written])


def _shown_answer(response: HttpResponse, secrets: list[str]) -> str:
    """Status line and body; what a terminal could take for a command is left out."""
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = ""
    kind = response.headers.get("content-type", "no content type")
    try:
        text = json.dumps(json.loads(response.body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        text = response.text
    text = masked(text, secrets)
    text = "".join(character for character in text if character.isprintable() or character in "\n\t")
    if len(text) > LONGEST_ANSWER:
        text = f"{text[:LONGEST_ANSWER]} … ({len(response.body)} bytes in all)"
    line = f"{response.status} {phrase}".rstrip()
    skipped = ", skips the assistant" if RETURN_HEADER in response.headers else ""
    return f"{line} ({masked(kind, secrets)[:100]}{skipped})\n{text}"
