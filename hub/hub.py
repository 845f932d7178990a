"""The hub of one process: everything wired together, without a web server around it."""

from __future__ import annotations

from dataclasses import dataclass

from hub.config import Config
from hub.contract import check_response
from hub.directory import Directory
from hub.drain import Drain
from hub.engine import Engine
from hub.hooks import Hooks
from hub.http import HttpClient
from hub.inbox import Inbox
from hub.lane import Leases
from hub.links import Lookup, own_media
from hub.logs import Logs
from hub.media import MediaStore
from hub.outbox import Outbox
from hub.plugins import Registry
from hub.progress import Progress
from hub.store import Store
from hub.store.schema import require_current
from hub.turn import Turns
from hub.vault import Vault

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Hub:
    """The parts of a running hub. Building one touches neither the database nor the network."""

    config: Config
    registry: Registry
    vault: Vault
    store: Store
    http: HttpClient
    media: MediaStore
    directory: Directory
    inbox: Inbox
    outbox: Outbox
    leases: Leases
    drain: Drain
    logs: Logs
    engine: Engine

    @classmethod
    def build(cls, config: Config, registry: Registry | None = None) -> Hub:
        """Wire the parts.

        :raises ConfigError: a setting does not work.
        """
        registry = Registry(config.plugins) if registry is None else registry
        vault = Vault(config.secret_keys)
        store = Store(config.database_url, connections=CONNECTIONS)
        http = HttpClient(
            allow_private=config.allow_private_urls,
            max_bytes=config.max_answer_bytes,
            connections=max(CONNECTIONS, config.turn_threads),
        )
        media = MediaStore(config.media_url, vault, config.public_url)
        directory = Directory(store, registry, vault, http, config.public_url)
        inbox = Inbox(store)
        outbox = Outbox(store, inbox)
        leases = Leases(store, config.lease_seconds)
        hooks = Hooks(registry, directory, config.hook_seconds)
        logs = Logs(store, registry, directory, hooks, config.sweep_seconds)
        progress = Progress(store, outbox, leases, logs)
        lookup = Lookup(http, own_media(store, media, config.public_url))
        turns = Turns(hooks, http, media, progress, logs, lookup)
        # The drain asks the engine for later wake-ups and the engine runs the drain, so one of them comes first.
        drain = Drain(
            store, directory, leases, turns, progress, outbox, lambda lane, moment: engine.wake_at(lane, moment)
        )
        engine = Engine(
            store, directory, leases, drain, threads=config.turn_threads, sweep_seconds=config.sweep_seconds
        )
        return cls(config, registry, vault, store, http, media, directory, inbox, outbox, leases, drain, logs, engine)

    def start(self) -> None:
        """Check the schema and start the engine.

        :raises SchemaOutdated: the database is not at this version's schema.
        """
        require_current(self.store)
        check_response({})  # loads the contract's models now rather than in somebody's turn
        self.engine.start()
        if self.config.turn_threads:
            self.logs.start()

    def stop(self) -> None:
        """Finish or give back what is in progress and let go of the database."""
        self.logs.stop()
        self.engine.stop()
        self.store.close()
