"""Configuration as a file: checked as a whole, applied in one transaction, twice is like once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr
from sqlalchemy import Connection, insert, select, update

from hub import clock
from hub.directory import parse_settings
from hub.errors import ConfigError
from hub.ids import uuid7
from hub.numbers import e164_or_short_code
from hub.plugins import Registry
from hub.settings import Settings
from hub.store import Store
from hub.store.models import Assistant, Integration
from hub.vault import Vault

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_ASSISTANT_KEYS = ("plugin", "settings")
_INTEGRATION_KEYS = frozenset({"channel", "assistant", "line", "settings"})


@dataclass(frozen=True, slots=True)
class Applied:
    """One assistant or integration of the file. `change` is ``created``, ``updated`` or ``unchanged``."""

    kind: str
    name: str
    change: str
    channel: str | None = None


def read_file(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with every ``{ env = "NAME" }`` replaced.

    :raises ConfigError: not there, not TOML, or a variable is not set; names the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    result: dict[str, Any] = _from_environment(document, "", os.environ if environ is None else environ)
    return result


def apply(document: Mapping[str, Any], store: Store, registry: Registry, vault: Vault) -> list[Applied]:
    """Create or update what `document` names; what it does not name is kept.

    :raises ConfigError: something in it is wrong; names the key, and nothing is changed.
    """
    _only(document, frozenset({"assistant", "integration"}), "")
    assistants = _tables(document, "assistant")
    integrations = _tables(document, "integration")

    def job(connection: Connection) -> list[Applied]:
        done = [_apply_assistant(connection, registry, vault, name, table) for name, table in assistants.items()]
        done += [_apply_integration(connection, registry, vault, name, table) for name, table in integrations.items()]
        return done

    return store.write(job)


def secret_fields(model: type[Settings]) -> frozenset[str]:
    """The fields of a settings model that hold a secret: alone, in a list or table, or in a model of their own."""
    return frozenset(name for name, field in model.model_fields.items() if _holds_secret(field.annotation))


def _holds_secret(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_holds_secret(field.annotation) for field in annotation.model_fields.values())
    secret = isinstance(annotation, type) and issubclass(annotation, SecretStr | SecretBytes)
    return secret or any(_holds_secret(argument) for argument in get_args(annotation))


def _apply_assistant(
    connection: Connection, registry: Registry, vault: Vault, name: str, table: Mapping[str, Any]
) -> Applied:
    key = f"assistant.{name}"
    _only(table, frozenset((*_ASSISTANT_KEYS, *registry.sections)), key)
    row = connection.execute(select(Assistant.__table__).where(Assistant.name == name)).one_or_none()
    plugin = _text(table, "plugin", key) or (row.plugin if row else None)
    if plugin is None:
        raise ConfigError(f"{key}.plugin: is missing")
    kind = registry.assistants.get(plugin)
    if kind is None:
        known = ", ".join(sorted(registry.assistants)) or "none"
        raise ConfigError(f"{key}.plugin: no assistant plugin {plugin} is loaded (loaded: {known})")
    old = row if row is not None and row.plugin == plugin else None
    plain, secrets, changed = _settings(vault, kind.settings, old, table.get("settings", {}), f"{key}.settings")
    sections, section_secrets, sections_changed = _sections(vault, registry, row, table, key)
    changed = changed or sections_changed
    values = {
        "plugin": plugin, "settings": plain, "secrets": secrets,
        "sections": sections, "section_secrets": section_secrets,
    }  # fmt: skip
    if row is None:
        connection.execute(
            insert(Assistant),
            {"id": uuid7(), "created_at": clock.now(), "updated_at": clock.now(), "name": name, **values},
        )
        return Applied("assistant", name, "created")
    if changed or row.plugin != plugin:
        connection.execute(update(Assistant).where(Assistant.id == row.id).values(**values, updated_at=clock.now()))
        return Applied("assistant", name, "updated")
    return Applied("assistant", name, "unchanged")


def _apply_integration(
    connection: Connection, registry: Registry, vault: Vault, name: str, table: Mapping[str, Any]
) -> Applied:
    key = f"integration.{name}"
    _only(table, _INTEGRATION_KEYS, key)
    row = connection.execute(select(Integration.__table__).where(Integration.name == name)).one_or_none()
    channel = _text(table, "channel", key) or (row.channel if row else None)
    if channel is None:
        raise ConfigError(f"{key}.channel: is missing")
    kind = registry.channels.get(channel)
    if kind is None:
        known = ", ".join(sorted(registry.channels)) or "none"
        raise ConfigError(f"{key}.channel: no channel {channel} is loaded (loaded: {known})")
    assistant_id = _assistant_of(connection, table, row, key)
    line = _line(table, row, key)
    old = row if row is not None and row.channel == channel else None
    plain, secrets, changed = _settings(vault, kind.settings, old, table.get("settings", {}), f"{key}.settings")
    values = {"channel": channel, "assistant_id": assistant_id, "line": line, "settings": plain, "secrets": secrets}
    if row is None:
        connection.execute(
            insert(Integration),
            {"id": uuid7(), "created_at": clock.now(), "updated_at": clock.now(), "name": name, **values},
        )
        return Applied("integration", name, "created", channel)
    if changed or (row.channel, row.assistant_id, row.line) != (channel, assistant_id, line):
        connection.execute(update(Integration).where(Integration.id == row.id).values(**values, updated_at=clock.now()))
        return Applied("integration", name, "updated", channel)
    return Applied("integration", name, "unchanged", channel)


def _assistant_of(connection: Connection, table: Mapping[str, Any], row: Any, key: str) -> UUID:
    name = _text(table, "assistant", key)
    if name is None and row is not None:
        kept: UUID = row.assistant_id
        return kept
    if name is None:
        raise ConfigError(f"{key}.assistant: is missing")
    found: UUID | None = connection.execute(select(Assistant.id).where(Assistant.name == name)).scalar()
    if found is None:
        raise ConfigError(f"{key}.assistant: there is no assistant {name}")
    return found


def _line(table: Mapping[str, Any], row: Any, key: str) -> str | None:
    if "line" not in table:
        return row.line if row is not None else None
    line = _text(table, "line", key)
    try:
        # A line may be named after a number; then it is the same line as that number.
        return e164_or_short_code(line) if line else None
    except ValueError:
        return line


def _settings(vault: Vault, model: type[Settings], row: Any, given: Any, key: str) -> tuple[dict[str, Any], str, bool]:
    """The plain settings, the sealed secrets, and whether either differs from `row`."""
    if not isinstance(given, dict):
        raise ConfigError(f"{key}: must be a table")
    old_plain: dict[str, Any] = row.settings if row is not None else {}
    old_secrets = vault.open(row.secrets) if row is not None else {}
    merged = {**old_plain, **old_secrets, **given}
    try:
        parse_settings(model, merged)
    except ConfigError as error:
        raise ConfigError(f"{key}.{error}") from None
    hidden = secret_fields(model)
    plain = {name: value for name, value in merged.items() if name not in hidden}
    secrets = {name: value for name, value in merged.items() if name in hidden}
    if row is not None and plain == old_plain and secrets == old_secrets:
        return old_plain, row.secrets, False
    return plain, vault.seal(secrets), True


def _sections(
    vault: Vault, registry: Registry, row: Any, table: Mapping[str, Any], key: str
) -> tuple[dict[str, Any], str | None, bool]:
    """The plain sections, their sealed secrets, and whether either differs from `row`.

    ``premessage = false`` removes a section with its secrets; one that the file does not name is kept.
    """
    old_plain: dict[str, Any] = dict(row.sections) if row is not None else {}
    old_secrets = vault.open(row.section_secrets) if row is not None and row.section_secrets else {}
    plain, secrets = dict(old_plain), dict(old_secrets)
    for name in table.keys() - set(_ASSISTANT_KEYS):
        given = table[name]
        before = {**plain.pop(name, {}), **secrets.pop(name, {})}
        if given is False:
            continue
        if not isinstance(given, dict):
            raise ConfigError(f"{key}.{name}: must be a table, or false to remove it")
        model = registry.sections[name].settings
        merged = {**before, **given}
        try:
            parse_settings(model, merged)
        except ConfigError as error:
            raise ConfigError(f"{key}.{name}.{error}") from None
        hidden = secret_fields(model)
        plain[name] = {field: value for field, value in merged.items() if field not in hidden}
        if kept := {field: value for field, value in merged.items() if field in hidden}:
            secrets[name] = kept
    if plain == old_plain and secrets == old_secrets:
        return old_plain, row.section_secrets if row is not None else None, False
    return plain, vault.seal(secrets) if secrets else None, True


def _from_environment(value: Any, key: str, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"env"} and isinstance(value["env"], str):
            text = environ.get(value["env"])
            if not text:
                raise ConfigError(f"{key}: the environment variable {value['env']} is not set")
            return text
        return {name: _from_environment(below, f"{key}.{name}".lstrip("."), environ) for name, below in value.items()}
    if isinstance(value, list):
        return [_from_environment(below, f"{key}.{position}", environ) for position, below in enumerate(value)]
    return value


def _tables(document: Mapping[str, Any], kind: str) -> dict[str, Mapping[str, Any]]:
    tables = document.get(kind, {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{kind}: must be a table of tables")
    for name, table in tables.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{kind}.{name}: a name has 1 to 63 letters, digits, - or _")
        if not isinstance(table, dict):
            raise ConfigError(f"{kind}.{name}: must be a table")
    return tables


def _only(table: Mapping[str, Any], keys: frozenset[str], at: str) -> None:
    for key in table:
        if key not in keys:
            raise ConfigError(f"{f'{at}.{key}'.lstrip('.')}: unknown key (known: {', '.join(sorted(keys))})")


def _text(table: Mapping[str, Any], name: str, key: str) -> str | None:
    value = table.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise ConfigError(f"{key}.{name}: must be a text")
    return value
