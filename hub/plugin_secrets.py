"""Values that plugins keep for good, encrypted in the store."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from hub import clock
from hub.errors import ConfigError
from hub.ids import uuid7
from hub.store import Store
from hub.store.models import PluginSecret
from hub.vault import Vault

MOST_BYTES = 100_000


class PluginSecrets:
    """One plugin's values; see :class:`hub.Secrets`."""

    def __init__(self, store: Store, vault: Vault, plugin: str) -> None:
        self._store = store
        self._vault = vault
        self._plugin = plugin

    def get(self, name: str) -> dict[str, Any] | None:
        """The value kept under `name`, or None.

        :raises ConfigError: no key of ``HUB_SECRET_KEYS`` decrypts it.
        """
        with self._store.read() as connection:
            sealed = connection.execute(
                select(PluginSecret.sealed).where(PluginSecret.plugin == self._plugin, PluginSecret.name == name)
            ).scalar()
        return None if sealed is None else self._vault.open(sealed)

    def put(self, name: str, value: dict[str, Any]) -> None:
        """Keep `value` under `name`, in the place of what was there.

        :raises ConfigError: it is too large.
        """
        sealed = self._vault.seal(value)
        if len(sealed) > MOST_BYTES:
            raise ConfigError(f"{self._plugin}: a value of more than {MOST_BYTES} bytes is not kept")
        statement = self._store.insert(PluginSecret).on_conflict_do_update(
            index_elements=["plugin", "name"], set_={"sealed": sealed}
        )

        def job(connection: Connection) -> None:
            connection.execute(
                statement,
                {"id": uuid7(), "created_at": clock.now(), "plugin": self._plugin, "name": name, "sealed": sealed},
            )

        self._store.write(job)
