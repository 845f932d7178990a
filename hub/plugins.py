"""The plugin registry: loads every entry point of the group ``hub.plugins`` in its own ``try`` and keeps who failed.

pluggy's own loader stops at the first import that fails, one raising hook loses every plugin's results, a misspelt
hook is silent and the order is that of the directory listing. So the walk over the implementations is done here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
import pluggy

from hub import hookspecs
from hub.assistants import AssistantType
from hub.channels import ChannelType
from hub.log import get_logger
from hub.turns import Turn

GROUP = "hub.plugins"

OnHook = Callable[[str, str, str], None]
"""Told of every hook call that raised: plugin, hook, error class."""


@dataclass(slots=True)
class Plugin:
    """One installed plugin and what became of it. `status` is ``loaded``, ``failed`` or ``disabled``."""

    name: str
    distribution: str
    version: str
    status: str = "loaded"
    error: str | None = None
    channels: list[str] = field(default_factory=list)
    assistants: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)


class Registry:
    """All plugins of this process.

    :param allowed: entry-point names to load (``HUB_PLUGINS``), or None for all that are installed.
    :param found: entry points; the installed ones unless a test brings its own.
    """

    def __init__(self, allowed: frozenset[str] | None = None, found: Iterable[EntryPoint] | None = None) -> None:
        self.plugins: list[Plugin] = []
        self.channels: dict[str, ChannelType] = {}
        self.assistants: dict[str, AssistantType] = {}
        self.commands: dict[str, click.Command] = {}
        self._owners: dict[tuple[str, str], Plugin] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        points = entry_points(group=GROUP) if found is None else found
        for point in sorted(points, key=lambda point: (point.name, point.dist.name if point.dist else "")):
            self._load(point, allowed)
        for name in sorted((allowed or frozenset()) - {plugin.name for plugin in self.plugins}):
            plugin = Plugin(name, "", "")
            self._fail(plugin, "named in HUB_PLUGINS but not installed")
            self.plugins.append(plugin)
        # Read once: a message passes here, so hooks nobody implements must cost nothing.
        self._broadcasts = {name: self._implementations(name) for name in ("premessage", "postmessage")}

    def failed(self) -> list[Plugin]:
        """The plugins that are installed (or asked for) but do not work, each with its error."""
        return [plugin for plugin in self.plugins if plugin.status == "failed"]

    def listens(self, hook: str) -> bool:
        """Whether any plugin implements the broadcast `hook`."""
        return bool(self._broadcasts[hook])

    def broadcast(
        self,
        hook: str,
        turn: Turn,
        value: dict[str, Any],
        on_error: OnHook,
        settled: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> dict[str, Any]:
        """Pass `value` through every plugin's ``premessage`` or ``postmessage``.

        Each plugin gets a copy of its own; a result of None leaves the value, anything but a dict is an error like a
        raised one. What fails is logged with its plugin's name and passed over.

        :param settled: called after each plugin that succeeded, so that changed attachments show in the request.
        """
        argument = "request" if hook == "premessage" else "response"
        for name, implementation in self._broadcasts[hook]:
            offered = {"turn": turn, argument: copy.deepcopy(value)}
            try:
                result = implementation.function(*(offered[wanted] for wanted in implementation.argnames))
                if result is not None and not isinstance(result, dict):
                    raise TypeError(f"returned {type(result).__name__} instead of a dict or None")
                value = settled(value if result is None else result)
            except (Exception, SystemExit) as error:
                get_logger().error("hook_failed", plugin=name, hook=hook, error=type(error).__name__, exc_info=True)
                on_error(name, hook, type(error).__name__)
        return value

    def _load(self, point: EntryPoint, allowed: frozenset[str] | None) -> None:
        distribution = point.dist
        plugin = Plugin(
            point.name, distribution.name if distribution else "", distribution.version if distribution else ""
        )
        self.plugins.append(plugin)
        if allowed is not None and point.name not in allowed:
            plugin.status = "disabled"
            return
        if self._manager.has_plugin(point.name):
            first = next(each for each in self.plugins if each.name == point.name)
            self._fail(plugin, f"the plugin name {point.name} is taken by {first.distribution or first.name}")
            return
        try:
            module = point.load()
            self._manager.register(module, name=point.name)
            self._manager.check_pending()
            self._register(plugin, module)
        except Exception as error:
            if self._manager.has_plugin(point.name):
                self._manager.unregister(name=point.name)
            self._forget(plugin)
            self._fail(plugin, " ".join(f"{type(error).__name__}: {error}".split())[:300])

    def _register(self, plugin: Plugin, module: object) -> None:
        """Ask one plugin for what it brings; a name somebody else has taken names both."""
        for caller in self._manager.get_hookcallers(module) or ():
            implementation = next(each for each in caller.get_hookimpls() if each.plugin_name == plugin.name)
            if implementation.hookwrapper or implementation.wrapper:
                raise TypeError(f"{caller.name} is a hook wrapper; wrappers are not supported")
            plugin.hooks.append(caller.name)
            if caller.name == "register_channels":
                for channel in _all(implementation.function(), ChannelType, caller.name):
                    self._take(plugin, "channel", channel.name, self.channels, channel)
                    plugin.channels.append(channel.name)
            elif caller.name == "register_assistants":
                for assistant in _all(implementation.function(), AssistantType, caller.name):
                    self._take(plugin, "assistant", assistant.name, self.assistants, assistant)
                    plugin.assistants.append(assistant.name)
            elif caller.name == "register_commands":
                for command in _all(implementation.function(), click.Command, caller.name):
                    self._take(plugin, "command", str(command.name), self.commands, command)
        plugin.hooks.sort()

    def _take(self, plugin: Plugin, kind: str, name: str, table: dict[str, Any], value: object) -> None:
        if name in table:
            other = self._owners[kind, name]
            raise ValueError(f"the {kind} {name} is registered by {other.distribution or other.name} already")
        table[name] = value
        self._owners[kind, name] = plugin

    def _forget(self, plugin: Plugin) -> None:
        tables: Mapping[str, dict[str, Any]] = {
            "channel": self.channels,
            "assistant": self.assistants,
            "command": self.commands,
        }
        for kind, name in [key for key, owner in self._owners.items() if owner is plugin]:
            del tables[kind][name]
            del self._owners[kind, name]
        plugin.channels, plugin.assistants, plugin.hooks = [], [], []

    def _fail(self, plugin: Plugin, reason: str) -> None:
        plugin.status = "failed"
        plugin.error = reason
        get_logger().error("plugin_failed", plugin=plugin.name, distribution=plugin.distribution, reason=reason)

    def _implementations(self, hook: str) -> list[tuple[str, pluggy.HookImpl]]:
        """In calling order: ``tryfirst``, then by plugin name, then ``trylast``."""
        implementations = sorted(
            getattr(self._manager.hook, hook).get_hookimpls(),
            key=lambda each: (not each.tryfirst, each.trylast, each.plugin_name),
        )
        return [(each.plugin_name, each) for each in implementations]


def _all(values: Any, kind: type, hook: str) -> list[Any]:
    """`values` as a list of `kind`, or an error that says what a hook must return."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, kind) for value in values):
        raise TypeError(f"{hook} must return a list of {kind.__name__}")
    return list(values)
