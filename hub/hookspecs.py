"""The hooks of the hub. A plugin implements them in its package's ``__init__`` with ``@hookimpl``.

Registration hooks are asked once, when the hub starts. ``premessage``, ``postmessage`` and ``logged`` are the
broadcasts at run time. The first two are called in the order of plugin names (``tryfirst`` and ``trylast`` change it),
each with what the one before returned. What a hook raises is logged with the plugin's name, and the turn goes on with
what the plugins before it returned, with their attachments and their values; the same holds for a hook that takes
longer than ``HUB_HOOK_SECONDS``. A hook that wants the turn to fail raises :class:`hub.TurnFailed`.
"""

from __future__ import annotations

from typing import Any

import click
import pluggy

from hub.assistants import Answer, AssistantType, Refusal
from hub.channels import ChannelType
from hub.sections import AssistantSection
from hub.turns import LogEvent, Turn

PROJECT = "hub"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_channels() -> list[ChannelType]:  # type: ignore[empty-body]
    """Register channels.

    Example::

        @hookimpl
        def register_channels():
            return [ChannelType(name="sms_carrier", title="Carrier", channel=Carrier, settings=CarrierSettings)]
    """


@hookspec
def register_assistants() -> list[AssistantType]:  # type: ignore[empty-body]
    """Register assistants.

    Example::

        @hookimpl
        def register_assistants():
            return [AssistantType(name="parrot", title="Parrot", assistant=Parrot, settings=ParrotSettings)]
    """


@hookspec
def register_commands() -> list[click.Command]:  # type: ignore[empty-body]
    """Register commands of the ``hub`` command line.

    Example::

        @hookimpl
        def register_commands():
            return [simulator]
    """


@hookspec
def register_sections() -> list[AssistantSection]:  # type: ignore[empty-body]
    """Register tables of settings that every assistant may have.

    Example::

        @hookimpl
        def register_sections():
            return [AssistantSection(name="glossary", title="Glossary", settings=Glossary, hooks=("premessage",))]
    """


@hookspec
def premessage(turn: Turn, request: dict[str, Any]) -> dict[str, Any] | Answer | Refusal | None:
    """Change a request before the assistant sees it; return the new request, or None to leave it as it is.

    `request` is a copy of this plugin's own. Attachments are changed through ``turn.attachments``. Returning an
    :class:`hub.Answer` answers in the assistant's place, a :class:`hub.Refusal` refuses the turn with a message; in
    both cases the hooks after this one are not called.

    Example::

        @hookimpl
        def premessage(turn, request):
            request["input"]["text"] = request["input"]["text"].strip()
            return request
    """


@hookspec
def postmessage(turn: Turn, response: dict[str, Any]) -> dict[str, Any] | None:
    """Change a response before it is rendered; return the new response, or None to leave it as it is.

    `response` is a copy of this plugin's own.

    Example::

        @hookimpl
        def postmessage(turn, response):
            response["output"]["generic"].append({"response_type": "text", "text": "Reply STOP to end."})
            return response
    """


@hookspec
def logged(event: LogEvent) -> None:
    """Take note of something that happened; called beside the conversation, after the answer was committed.

    Raise :class:`hub.LogFailed` with ``retryable`` set to be called again after 1, 5 and 25 seconds with the same
    event, also after a restart. Anything else that is raised drops the event, with a log line and a count.

    Example::

        @hookimpl
        def logged(event):
            event.services.log.info("seen", event=event.name)
    """
