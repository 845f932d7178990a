"""Configuration from the environment; the table of variables stands in docs/configuration.md."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hub.errors import ConfigError
from hub.log import get_logger

INSTANCE = Path("instance")
_KEY_FILE = INSTANCE / "secret_keys"


@dataclass(frozen=True, slots=True)
class Config:
    """What the environment says, checked. All durations are seconds, all sizes bytes."""

    database_url: str
    public_url: str
    secret_keys: tuple[str, ...]
    turn_threads: int
    lease_seconds: float
    sweep_seconds: float
    media_url: str
    plugins: frozenset[str] | None
    allow_private_urls: bool
    max_request_bytes: int
    max_answer_bytes: int
    hook_seconds: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read and check every variable.

        :raises ConfigError: one line that names the variable.
        """
        env = os.environ if environ is None else environ
        if env.get("HUB_BROKER_URL"):
            raise ConfigError(
                "HUB_BROKER_URL: this version has no distributed engine; unset it to run turns in the web processes"
            )
        return cls(
            database_url=_database_url(env),
            public_url=_public_url(env),
            secret_keys=_secret_keys(env),
            turn_threads=_number(env, "HUB_TURN_THREADS", 32, least=0, most=10_000),
            lease_seconds=_number(env, "HUB_LEASE_SECONDS", 30, least=1, most=3600),
            sweep_seconds=_number(env, "HUB_SWEEP_SECONDS", 2, least=1, most=3600),
            media_url=env.get("HUB_MEDIA_URL") or f"file://{INSTANCE / 'media'}",
            plugins=allowed_plugins(env),
            allow_private_urls=_flag(env, "HUB_ALLOW_PRIVATE_URLS"),
            max_request_bytes=_number(env, "HUB_MAX_REQUEST_BYTES", 262_144, least=1_024, most=100_000_000),
            max_answer_bytes=_number(env, "HUB_MAX_ANSWER_BYTES", 2_000_000, least=1_024, most=100_000_000),
            hook_seconds=_number(env, "HUB_HOOK_SECONDS", 60, least=1, most=3600),
        )


def _number(env: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = env.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise ConfigError(f"{name}: must be a whole number from {least} to {most}") from None
    if not least <= value <= most:
        raise ConfigError(f"{name}: must be from {least} to {most}")
    return value


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "0"
    if text not in ("0", "1"):
        raise ConfigError(f"{name}: must be 0 or 1")
    return text == "1"


def allowed_plugins(env: Mapping[str, str]) -> frozenset[str] | None:
    """The names in ``HUB_PLUGINS``, or None when it is not set and every installed plugin is loaded."""
    text = env.get("HUB_PLUGINS")
    if text is None:
        return None
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _database_url(env: Mapping[str, str]) -> str:
    url = env.get("HUB_DATABASE_URL") or f"sqlite:///{INSTANCE / 'hub.sqlite3'}"
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ConfigError("HUB_DATABASE_URL: must be a SQLAlchemy URL such as sqlite:///hub.sqlite3")
    if scheme in ("postgres", "postgresql"):
        url = f"postgresql+psycopg://{rest}"
        scheme = "postgresql+psycopg"
    if scheme == "sqlite" and rest in ("", "/", "/:memory:"):
        raise ConfigError("HUB_DATABASE_URL: an in-memory database would lose messages; name a file")
    if scheme not in ("sqlite", "postgresql+psycopg"):
        raise ConfigError("HUB_DATABASE_URL: only sqlite:// and postgresql:// are supported")
    try:
        make_url(url)
    except (ValueError, SQLAlchemyError):
        raise ConfigError("HUB_DATABASE_URL: not a URL") from None
    return url


def _public_url(env: Mapping[str, str]) -> str:
    url = env.get("HUB_PUBLIC_URL") or "http://127.0.0.1:8000"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigError("HUB_PUBLIC_URL: not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("HUB_PUBLIC_URL: must start with https:// (or http:// on a test machine) and name a host")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ConfigError("HUB_PUBLIC_URL: must be only scheme, host and path prefix")
    return url.rstrip("/")


def _secret_keys(env: Mapping[str, str]) -> tuple[str, ...]:
    text = env.get("HUB_SECRET_KEYS")
    keys = _split_keys(text) if text else _instance_keys()
    if not keys:
        raise ConfigError("HUB_SECRET_KEYS: holds no key; make one with `hub secrets new`")
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            raise ConfigError(
                "HUB_SECRET_KEYS: each key must be 32 bytes in urlsafe base64; make one with `hub secrets new`"
            ) from None
    return keys


def _split_keys(text: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in text.replace("\n", ",").split(",") if key.strip())


def _instance_keys() -> tuple[str, ...]:
    """The keys kept under instance/, made on first start; two workers that start at once agree on one."""
    if not _KEY_FILE.exists():
        try:
            INSTANCE.mkdir(parents=True, exist_ok=True)
            draft = _KEY_FILE.with_name(f".{_KEY_FILE.name}.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(Fernet.generate_key().decode() + "\n")
            try:
                os.link(draft, _KEY_FILE)
                get_logger().warning(
                    "secret_key_made", file=str(_KEY_FILE), hint="keep a copy, or set HUB_SECRET_KEYS in production"
                )
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        except OSError as error:
            raise ConfigError(
                f"HUB_SECRET_KEYS: not set, and no key could be kept under {INSTANCE}/: {error}"
            ) from None
    return _split_keys(_KEY_FILE.read_text())
