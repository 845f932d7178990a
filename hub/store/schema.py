"""Migrations: bring a database to this version's schema, and tell whether it is there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hub.errors import ConfigError, SchemaOutdated
from hub.store.database import Store

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

HEAD = "0002"
"""The revision this version of the code needs; a test holds it against the migration files."""


def upgrade(url: str) -> str:
    """Create the database file's folder if need be and run all missing migrations; returns the revision reached.

    :raises ConfigError: the database cannot be reached.
    """
    # Alembic costs 10 MB and 80 ms, so only who migrates pays for it.
    from alembic import command

    if url.startswith("sqlite"):
        file = make_url(url).database
        if file:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
    store = Store(url)
    try:
        with store.engine.begin() as connection:
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise ConfigError(f"HUB_DATABASE_URL: {_first_line(error)}") from error
    finally:
        store.close()
    return HEAD


def current(store: Store) -> str | None:
    """The revision the database is at, or None for an empty one.

    :raises ConfigError: it cannot be reached.
    """
    file = make_url(store.url).database
    if store.is_sqlite and file and not Path(file).exists():
        return None
    try:
        with store.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SQLAlchemyError as error:
        raise ConfigError(f"HUB_DATABASE_URL: {_first_line(error)}") from error


def require_current(store: Store, *, newer_is_fine: bool = False) -> None:
    """Refuse to go on with a schema of another version.

    :param newer_is_fine: for a version that goes on serving while its successor has migrated already.
    :raises SchemaOutdated: its sentence holds the command to run.
    """
    found = current(store)
    if newer_is_fine and found is not None and found > HEAD:
        return
    if found != HEAD:
        state = "is empty" if found is None else f"is at revision {found}, this version needs {HEAD}"
        raise SchemaOutdated(f"the database schema {state}; run: hub db upgrade")


def _alembic_config() -> AlembicConfig:
    from alembic.config import Config as AlembicConfig

    migrations = import_module("hub.migrations")
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    return config


def _first_line(error: BaseException) -> str:
    """The driver's own words, without SQL or parameters."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
