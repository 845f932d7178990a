"""Checks, cleans and reads the files people send, and makes the pictures of answers small enough to be sent."""

from __future__ import annotations

from typing import Any

from hub import AssistantSection, Refusal, Turn, hookimpl
from hub_attachments.incoming import before
from hub_attachments.outgoing import after
from hub_attachments.settings import AttachmentSettings
from hub_attachments.trials import try_scanner


@hookimpl
def register_sections() -> list[AssistantSection]:
    """One table of an assistant: ``attachments``."""
    hooks = ("premessage", "postmessage")
    return [AssistantSection("attachments", "Attachments", AttachmentSettings, hooks, try_scanner)]


@hookimpl
def premessage(turn: Turn, request: dict[str, Any]) -> dict[str, Any] | Refusal | None:
    """Check, clean and read the files of the turn."""
    settings = _settings(turn)
    return before(settings, turn, request) if settings is not None else None


@hookimpl
def postmessage(turn: Turn, response: dict[str, Any]) -> dict[str, Any] | None:
    """Make the pictures of the answer small enough to be sent."""
    settings = _settings(turn)
    return after(settings, turn, response) if settings is not None and settings.shrink_answers else None


def _settings(turn: Turn) -> AttachmentSettings | None:
    settings = turn.sections.get("attachments")
    return settings if isinstance(settings, AttachmentSettings) and settings.enabled else None
