"""The configured assistants and integrations of this process, with the plugin objects that serve them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Row, select

from hub import assistants, channels
from hub.channels import Channel, TextChannelSettings
from hub.errors import ConfigError
from hub.http import HttpClient
from hub.log import get_logger
from hub.plugin_secrets import PluginSecrets
from hub.plugins import Registry
from hub.services import Services
from hub.settings import Settings
from hub.store import Store
from hub.store.models import Assistant, Integration
from hub.vault import Vault


@dataclass(frozen=True, slots=True)
class BoundAssistant:
    """An assistant row with its plugin object, or with the reason why there is none.

    :param sections: the tables of other plugins that are switched on, parsed, by name.
    """

    id: UUID
    name: str
    plugin: str
    instance: assistants.Assistant | None
    error: str | None
    sections: Mapping[str, Settings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BoundIntegration:
    """An integration row with its channel object, or with the reason why there is none."""

    id: UUID
    name: str
    channel_name: str
    line: str | None
    assistant: BoundAssistant
    channel: Channel | None
    error: str | None

    @property
    def options(self) -> TextChannelSettings:
        """The settings every text channel has."""
        if self.channel is None:
            return TextChannelSettings()
        settings: TextChannelSettings = self.channel.integration.settings
        return settings


class Directory:
    """Finds integrations by name (webhooks) and by id (turns); forgets what it knows when a row has changed."""

    def __init__(self, store: Store, registry: Registry, vault: Vault, http: HttpClient, public_url: str) -> None:
        self._store = store
        self._registry = registry
        self._vault = vault
        self._http = http
        self._public_url = public_url
        self._lock = threading.Lock()
        self._stamp: object = None
        self._by_name: dict[str, BoundIntegration] = {}
        self._by_id: dict[UUID, BoundIntegration] = {}
        self._assistants: dict[UUID, BoundAssistant] = {}
        self._services: dict[str, Services] = {}

    def named(self, name: str) -> BoundIntegration | None:
        """The integration called `name`, or None."""
        return self._by_name.get(name) or self._load(Integration.name == name)

    def integration(self, identifier: UUID) -> BoundIntegration:
        """The integration with this id; rows that messages refer to are never deleted."""
        bound = self._by_id.get(identifier) or self._load(Integration.id == identifier)
        if bound is None:
            raise ConfigError(f"integration {identifier} is gone from the store")
        return bound

    def all(self) -> list[BoundIntegration]:
        """Every integration, by name."""
        with self._store.read() as connection:
            names = connection.execute(select(Integration.name).order_by(Integration.name)).scalars().all()
        return [bound for name in names if (bound := self.named(name)) is not None]

    def refresh(self) -> None:
        """Forget everything when `hub apply` (in any process) has changed a row since the last call."""
        with self._store.read() as connection:
            # Every row's time, not the newest: clocks of hosts differ, and who began first may commit last.
            stamp = tuple(
                tuple(connection.execute(select(table.id, table.updated_at).order_by(table.id)).all())
                for table in (Assistant, Integration)
            )
        if stamp != self._stamp:
            with self._lock:
                self._stamp = stamp
                self._by_name, self._by_id, self._assistants = {}, {}, {}

    def assistant(self, name: str) -> BoundAssistant | None:
        """The assistant called `name`, or None."""
        with self._store.read() as connection:
            identifier = connection.execute(select(Assistant.id).where(Assistant.name == name)).scalar()
        return self.assistant_by_id(identifier) if identifier is not None else None

    def assistant_by_id(self, identifier: UUID) -> BoundAssistant:
        """The assistant with this id; rows that others refer to are never deleted."""
        known = self._assistants.get(identifier)
        if known is not None:
            return known
        stamp = self._stamp
        with self._store.read() as connection:
            row = connection.execute(select(Assistant.__table__).where(Assistant.id == identifier)).one()
        with self._lock:
            bound = self._assistants.get(identifier) or self._bind_assistant(row)
            if stamp == self._stamp:
                self._assistants[identifier] = bound
        return bound

    def assistant_names(self) -> list[str]:
        """Every assistant's name, in order."""
        with self._store.read() as connection:
            return list(connection.execute(select(Assistant.name).order_by(Assistant.name)).scalars())

    def services(self, plugin: str) -> Services:
        """What `plugin` gets of the host."""
        known = self._services.get(plugin)
        if known is None:
            secrets = PluginSecrets(self._store, self._vault, plugin)
            known = self._services[plugin] = Services(self._http, get_logger().bind(plugin=plugin), secrets)
        return known

    def sections_of(self, plugin: str, assistant: BoundAssistant) -> dict[str, Settings]:
        """The assistant's sections that `plugin` has registered."""
        return {
            name: settings
            for name, settings in assistant.sections.items()
            if self._registry.owner("section", name) == plugin
        }

    def _load(self, condition: Any) -> BoundIntegration | None:
        stamp = self._stamp
        with self._store.read() as connection:
            row = connection.execute(select(Integration.__table__).where(condition)).one_or_none()
            if row is None:
                return None
            assistant_row = connection.execute(
                select(Assistant.__table__).where(Assistant.id == row.assistant_id)
            ).one()
        with self._lock:
            known = self._by_name.get(row.name)
            if known is not None:
                return known
            assistant = self._assistants.get(row.assistant_id) or self._bind_assistant(assistant_row)
            bound = self._bind(row, assistant)
            if stamp == self._stamp:  # otherwise the row may be older than the change that was just noticed
                self._assistants[assistant.id] = assistant
                self._by_name[bound.name] = self._by_id[bound.id] = bound
        return bound

    def _bind_assistant(self, row: Row[Any]) -> BoundAssistant:
        kind = self._registry.assistants.get(row.plugin)
        instance, error = None, f"the assistant plugin {row.plugin} is not loaded"
        sections: dict[str, Settings] = {}
        if kind is not None:
            try:
                # An assistant whose webhook cannot be called must not answer as if it had none.
                sections = self._sections(row)
                settings = parse_settings(kind.settings, {**row.settings, **self._vault.open(row.secrets)})
                owner = self._registry.owner("assistant", row.plugin) or row.plugin
                instance, error = kind.assistant(settings, self.services(owner)), ""
            except Exception as problem:
                error = f"{type(problem).__name__}: {problem}"
        if instance is None:
            get_logger().error("assistant_not_usable", assistant=row.name, reason=error)
        return BoundAssistant(row.id, row.name, row.plugin, instance, error or None, sections)

    def _sections(self, row: Row[Any]) -> dict[str, Settings]:
        """The sections of an assistant's row that are switched on.

        :raises ConfigError: one belongs to a plugin that is not loaded, or its settings do not fit.
        """
        hidden = self._vault.open(row.section_secrets) if row.section_secrets else {}
        result = {}
        for name, values in row.sections.items():
            section = self._registry.sections.get(name)
            if section is None:
                raise ConfigError(f"no loaded plugin takes its section {name}")
            try:
                settings = parse_settings(section.settings, {**values, **hidden.get(name, {})})
            except ConfigError as error:
                raise ConfigError(f"{name}.{error}") from None
            if getattr(settings, "enabled", True):
                result[name] = settings
        return result

    def _bind(self, row: Row[Any], assistant: BoundAssistant) -> BoundIntegration:
        kind = self._registry.channels.get(row.channel)
        instance, error = None, f"the channel {row.channel} is not loaded"
        if kind is not None:
            try:
                settings = parse_settings(kind.settings, {**row.settings, **self._vault.open(row.secrets)})
                integration = channels.Integration(row.name, settings, f"{self._public_url}/webhooks/{row.name}")
                owner = self._registry.owner("channel", row.channel) or row.channel
                instance, error = kind.channel(integration, self.services(owner)), ""
            except Exception as problem:
                error = f"{type(problem).__name__}: {problem}"
        if instance is None:
            get_logger().error("integration_not_usable", integration=row.name, reason=error)
        return BoundIntegration(row.id, row.name, row.channel, row.line, assistant, instance, error or None)


def parse_settings(model: type[Settings], values: dict[str, Any]) -> Settings:
    """`values` as the plugin's settings.

    :raises ConfigError: names the key and what is wrong with it, never the value.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{key}: {message}") from None
