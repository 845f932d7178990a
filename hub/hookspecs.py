"""The hooks of the hub. A plugin implements them in its package's ``__init__`` with ``@hookimpl``.

Registration hooks are asked once, when the hub starts. ``premessage`` and ``postmessage`` are the broadcasts at run
time: every plugin that implements them is called in the order of plugin names (``tryfirst`` and ``trylast`` change
it), each with what the one before returned. What a hook raises is logged with the plugin's name, and the turn goes on
with what the plugins before it returned.
"""

from __future__ import annotations

from typing import Any

import click
import pluggy

from hub.assistants import AssistantType
from hub.channels import ChannelType
from hub.turns import Turn

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
def premessage(turn: Turn, request: dict[str, Any]) -> dict[str, Any] | None:
    """Change a request before the assistant sees it; return the new request, or None to leave it as it is.

    `request` is a copy of this plugin's own. Attachments are changed through ``turn.attachments``.

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
