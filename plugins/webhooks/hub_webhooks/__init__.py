"""HTTP webhooks of an assistant: before a message, after it, and for logs."""

from __future__ import annotations

from typing import Any

from hub import Answer, AssistantSection, LogEvent, Turn, hookimpl
from hub_webhooks.logs import report
from hub_webhooks.messages import after, before
from hub_webhooks.settings import LogSettings, PostmessageSettings, PremessageSettings
from hub_webhooks.trials import try_log, try_postmessage, try_premessage


@hookimpl
def register_sections() -> list[AssistantSection]:
    """Three tables of an assistant: ``premessage``, ``postmessage`` and ``log``."""
    return [
        AssistantSection("premessage", "Pre-message webhook", PremessageSettings, ("premessage",), try_premessage),
        AssistantSection("postmessage", "Post-message webhook", PostmessageSettings, ("postmessage",), try_postmessage),
        AssistantSection("log", "Log webhook", LogSettings, ("logged",), try_log),
    ]


@hookimpl
def premessage(turn: Turn, request: dict[str, Any]) -> dict[str, Any] | Answer | None:
    """Call the assistant's pre-message webhook, if it has one."""
    settings = turn.sections.get("premessage")
    return before(settings, turn, request) if isinstance(settings, PremessageSettings) and settings.enabled else None


@hookimpl
def postmessage(turn: Turn, response: dict[str, Any]) -> dict[str, Any] | None:
    """Call the assistant's post-message webhook, if it has one."""
    settings = turn.sections.get("postmessage")
    return after(settings, turn, response) if isinstance(settings, PostmessageSettings) and settings.enabled else None


@hookimpl
def logged(event: LogEvent) -> None:
    """Tell the assistant's log webhook, if it has one."""
    settings = event.sections.get("log")
    if isinstance(settings, LogSettings) and settings.enabled:
        report(settings, event)
