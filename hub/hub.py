"""The hub of one process: everything wired together, without a web server around it."""

from __future__ import annotations

from dataclasses import dataclass

from hub.config import Config
from hub.directory import Directory
from hub.drain import Drain
from hub.engine import Engine
from hub.http import HttpClient
from hub.inbox import Inbox
from hub.lane import Leases
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
        progress = Progress(store, outbox, leases)
        turns = Turns(registry, http, media, progress)
        # The drain asks the engine for later wake-ups and the engine runs the drain, so one of them comes first.
        drain = Drain(
            store, directory, leases, turns, progress, outbox, lambda lane, moment: engine.wake_at(lane, moment)
        )
        engine = Engine(
            store, directory, leases, drain, threads=config.turn_threads, sweep_seconds=config.sweep_seconds
        )
        return cls(config, registry, vault, store, http, media, directory, inbox, outbox, leases, drain, engine)

    def start(self) -> None:
        """Check the schema and start the engine.

        :raises SchemaOutdated: the database is not at this version's schema.
        """
        require_current(self.store)
        self.engine.start()

    def stop(self) -> None:
        """Finish or give back what is in progress and let go of the database."""
        self.engine.stop()
        self.store.close()
