"""Commands that change what the hub knows: apply, send, purge, secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from cryptography.fernet import Fernet
from sqlalchemy import Connection, select, update

from hub import clock
from hub.apply import apply as apply_document
from hub.apply import read_file
from hub.channels import TextChannel
from hub.config import Config
from hub.directory import BoundIntegration
from hub.errors import ConfigError, HubError
from hub.hub import Hub
from hub.ids import uuid7
from hub.numbers import e164_or_short_code
from hub.rendering.segments import split
from hub.rendering.text import Part
from hub.retention import purge as purge_old
from hub.store.models import Assistant, Integration, Message, PluginSecret
from hub.store.schema import require_current


@contextmanager
def opened_hub() -> Iterator[Hub]:
    """A hub for one command: schema checked, no engine."""
    hub = Hub.build(Config.from_environment())
    try:
        require_current(hub.store)
        yield hub
    finally:
        hub.store.close()


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def apply(file: Path) -> None:
    """Create or update the assistants and integrations of FILE (TOML); prints the webhook URIs.

    The whole file is checked first and applied in one transaction. What it does not name is kept. A running hub takes
    changes over within a few seconds.
    """
    with opened_hub() as hub:
        for done in apply_document(read_file(file), hub.store, hub.registry, hub.vault):
            click.echo(f"{done.kind} {done.name}: {done.change}")
            if done.channel is not None:
                for endpoint in hub.registry.channels[done.channel].channel.endpoints:
                    click.echo(f"  {endpoint:8} {hub.config.public_url}/webhooks/{done.name}/{endpoint}")


@click.command()
@click.option("--integration", "name", required=True, help="Name of the integration that sends.")
@click.option("--to", "person", required=True, help="The person's number, +15550000002.")
@click.option("--from", "sender", help="Our number; needed when the integration has several.")
@click.option("--media", multiple=True, help="Public URL of a picture or file; may be repeated.")
@click.argument("text", default="")
def send(name: str, person: str, sender: str | None, media: tuple[str, ...], text: str) -> None:
    """Send one text in the order of that person's other messages; waits until the provider has accepted it."""
    if not text.strip() and not media:
        raise click.UsageError("give a TEXT or --media")
    with opened_hub() as hub:
        bound = hub.directory.named(name)
        if bound is None:
            raise ConfigError(f"--integration: there is no integration {name}")
        if not isinstance(bound.channel, TextChannel):
            raise HubError(f"integration {name} cannot send texts: {bound.error or 'not a text channel'}")
        number = _own_number(bound, sender)
        person = _number("--to", person)
        pieces = split(bound.channel.prepare(text), bound.channel.max_length) if text.strip() else [""]
        parts = [Part(piece, media if position == 0 else ()) for position, piece in enumerate(pieces)]
        correlation = uuid7().hex[-16:]

        def job(connection: Connection) -> UUID:
            lane = hub.inbox.lane(connection, bound.assistant.id, bound.line or number, person)
            hub.outbox.put(
                connection, bound, lane, turn=None, sender=number, person=person, parts=parts, correlation=correlation
            )
            return lane

        hub.drain.drain(hub.store.write(job))
        with hub.store.read() as connection:
            rows = connection.execute(
                select(Message.id, Message.status, Message.provider_id, Message.error)
                .where(Message.correlation == correlation)
                .order_by(Message.id)
            ).all()
    for row in rows:
        click.echo(f"{row.id} {row.status} {row.provider_id or ''} {row.error or ''}".rstrip())
    if any(row.provider_id is None for row in rows):
        raise HubError("not everything was accepted yet; see hub messages and hub lanes")


def _own_number(bound: BoundIntegration, sender: str | None) -> str:
    if sender is not None:
        return _number("--from", sender)
    settings = bound.channel.integration.settings if bound.channel else None
    numbers: tuple[str, ...] = getattr(settings, "phone_numbers", ())
    if len(numbers) != 1:
        raise ConfigError("--from: name the number to send from")
    return numbers[0]


def _number(option: str, text: str) -> str:
    try:
        return e164_or_short_code(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


@click.command()
@click.option(
    "--attachments",
    "attachment_days",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Days files are kept.",
)
@click.option(
    "--conversations",
    "conversation_days",
    default=365.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Days after a person's last message.",
)
def purge(attachment_days: float, conversation_days: float) -> None:
    """Remove old attachments and conversations. What waits to be answered or sent, and opt-outs, are kept.

    Run it daily, from cron for example; the hub may run meanwhile.
    """
    with opened_hub() as hub:
        done = purge_old(hub.store, hub.media, attachment_days=attachment_days, conversation_days=conversation_days)
    click.echo(
        f"removed {done.attachments} attachments, {done.messages} messages, {done.turns} turns, "
        f"{done.sessions} sessions, {done.lanes} lanes"
    )


@click.group()
def secrets() -> None:
    """The keys that encrypt stored secrets."""


@secrets.command("new")
def new() -> None:
    """Print a new key for HUB_SECRET_KEYS."""
    click.echo(Fernet.generate_key().decode())


@secrets.command("rotate")
def rotate() -> None:
    """Encrypt every stored secret with the first key of HUB_SECRET_KEYS.

    Put the new key first and keep the old ones behind it, restart the hub, run this, then remove the old keys.
    """
    with opened_hub() as hub:
        count = hub.store.write(lambda connection: _reseal(connection, hub))
        click.echo(f"encrypted {count} secrets with the first key")


def _reseal(connection: Connection, hub: Hub) -> int:
    """Encrypt every sealed column anew; returns how many there were."""
    count = 0
    sealed = (
        (Assistant, Assistant.secrets), (Assistant, Assistant.section_secrets), (Integration, Integration.secrets),
        (PluginSecret, PluginSecret.sealed),
    )  # fmt: skip
    for table, column in sealed:
        query = select(table.id, column).where(column.is_not(None)).with_for_update()
        for identifier, value in connection.execute(query).all():
            change: dict[str, Any] = {column.key: hub.vault.reseal(str(value))}
            if table is not PluginSecret:
                change["updated_at"] = clock.now()
            connection.execute(update(table).where(table.id == identifier).values(**change))
            count += 1
    return count


COMMANDS: tuple[click.Command, ...] = (apply, send, purge, secrets)
