"""The plugin registry: loads every entry point of the group ``hub.plugins`` in its own ``try`` and keeps who failed.

pluggy's own loader stops at the first import that fails, one raising hook loses every plugin's results, a misspelt
hook is silent and the order is that of the directory listing. So the walk over the implementations is done here.
"""

from __future__ import annotations

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
from hub.sections import AssistantSection

GROUP = "hub.plugins"
BROADCASTS = ("premessage", "postmessage", "logged")


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


@dataclass(frozen=True, slots=True)
class Implementation:
    """One plugin's implementation of a broadcast hook.

    :param arguments: the names of the hook's arguments that it takes.
    :param sections: if any, it is called only for assistants that have one of these sections.
    """

    plugin: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    sections: frozenset[str]


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
        self.sections: dict[str, AssistantSection] = {}
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
        self._broadcasts = {name: self._implementations(name) for name in BROADCASTS}

    def failed(self) -> list[Plugin]:
        """The plugins that are installed (or asked for) but do not work, each with its error."""
        return [plugin for plugin in self.plugins if plugin.status == "failed"]

    def implementations(self, hook: str) -> tuple[Implementation, ...]:
        """The plugins that implement the broadcast `hook`, in calling order."""
        return self._broadcasts[hook]

    def owner(self, kind: str, name: str) -> str | None:
        """The plugin that registered the channel, assistant, section or command `name`, or None."""
        plugin = self._owners.get((kind, name))
        return plugin.name if plugin else None

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
            elif caller.name == "register_sections":
                for section in _all(implementation.function(), AssistantSection, caller.name):
                    self._take(plugin, "section", section.name, self.sections, section)
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
            "section": self.sections,
        }
        for kind, name in [key for key, owner in self._owners.items() if owner is plugin]:
            del tables[kind][name]
            del self._owners[kind, name]
        plugin.channels, plugin.assistants, plugin.hooks = [], [], []

    def _fail(self, plugin: Plugin, reason: str) -> None:
        plugin.status = "failed"
        plugin.error = reason
        get_logger().error("plugin_failed", plugin=plugin.name, distribution=plugin.distribution, reason=reason)

    def _implementations(self, hook: str) -> tuple[Implementation, ...]:
        """In calling order: ``tryfirst``, then by plugin name, then ``trylast``."""
        found = sorted(
            getattr(self._manager.hook, hook).get_hookimpls(),
            key=lambda each: (not each.tryfirst, each.trylast, each.plugin_name),
        )
        return tuple(
            Implementation(
                each.plugin_name,
                each.function,
                tuple(each.argnames),
                frozenset(
                    name
                    for name, section in self.sections.items()
                    if hook in section.hooks and self.owner("section", name) == each.plugin_name
                ),
            )
            for each in found
        )


def _all(values: Any, kind: type, hook: str) -> list[Any]:
    """`values` as a list of `kind`, or an error that says what a hook must return."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, kind) for value in values):
        raise TypeError(f"{hook} must return a list of {kind.__name__}")
    return list(values)
