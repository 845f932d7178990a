"""Commands that only look: plugins, doctor, lanes, messages."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import Select, or_, select, text

from hub import clock, lane
from hub.cli.configure import opened_hub
from hub.config import Config, allowed_plugins
from hub.errors import HubError
from hub.hub import Hub
from hub.inbox import reports_of
from hub.numbers import mask
from hub.plugins import Plugin, Registry
from hub.store import schema
from hub.store.models import Integration, Message

CLOCK_SECONDS = 30


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def plugins(as_json: bool) -> None:
    """List the installed plugins, what they bring, and why one failed."""
    registry = Registry(allowed_plugins(os.environ))
    for plugin in registry.plugins:
        click.echo(json.dumps(_plugin(plugin)) if as_json else _plugin_line(plugin))
    if not registry.plugins and not as_json:
        click.echo("no plugins are installed; each folder of plugins/ is one: pip install ./plugins/twilio")


def _plugin(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": plugin.status,
        "channels": plugin.channels,
        "assistants": plugin.assistants,
        "hooks": plugin.hooks,
        "error": plugin.error,
    }


def _plugin_line(plugin: Plugin) -> str:
    brings = ", ".join([*plugin.channels, *plugin.assistants]) or ", ".join(plugin.hooks)
    return f"{plugin.name:16} {plugin.status:9} {plugin.distribution} {plugin.version}  {plugin.error or brings}"


@click.command()
@click.option("--call", is_flag=True, help="Also call every provider and assistant.")
@click.option("--webhooks", is_flag=True, help="Also make a test call of every assistant's webhooks, and show it.")
def doctor(call: bool, webhooks: bool) -> None:
    """Say how the hub is set up, which URLs providers must use, and what is wrong."""
    hub = Hub.build(Config.from_environment())
    problems: list[str] = []

    def say(topic: str, sentence: str, *, wrong: bool = False) -> None:
        click.echo(f"{'✗' if wrong else '✓'} {topic:12} {sentence}")
        if wrong:
            problems.append(topic)

    try:
        _doctor_process(hub, say)
        if "store" not in problems:
            _doctor_integrations(hub, say, call=call)
            _doctor_hook_times(hub, say)
            if webhooks:
                _doctor_sections(hub, say)
    finally:
        hub.store.close()
    if problems:
        raise HubError(f"{len(problems)} of the points above need attention: {', '.join(dict.fromkeys(problems))}")


def _doctor_process(hub: Hub, say: Any) -> None:
    config = hub.config
    for plugin in hub.registry.plugins:
        if plugin.status != "disabled":
            say("plugin", _plugin_line(plugin).strip(), wrong=plugin.status == "failed")
    if config.public_url.startswith("http://") and not config.allow_private_urls:
        say("public URL", f"{config.public_url}: providers need https; set HUB_PUBLIC_URL", wrong=True)
    else:
        say("public URL", config.public_url)
    try:
        schema.require_current(hub.store)
    except HubError as error:
        say("store", str(error), wrong=True)
        return
    backend = hub.store.engine.dialect.name
    say("store", f"{backend}, schema at revision {schema.HEAD}")
    say("engine", f"in-process, {config.turn_threads} turns at once, leases of {config.lease_seconds:g} s")
    _doctor_clock(hub, say)
    try:
        key = hub.media.keep(b"hub doctor")
        hub.media.delete(key)
        say("media", re.sub(r"//[^/@]*@", "//…@", config.media_url))
    except HubError as error:
        say("media", str(error), wrong=True)


def _doctor_clock(hub: Hub, say: Any) -> None:
    now = clock.now()
    if hub.store.is_sqlite:
        say("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")
        return
    with hub.store.read() as connection:
        theirs = connection.execute(text("SELECT now()")).scalar_one()
    skew = abs((theirs.astimezone(UTC) - clock.now()).total_seconds())
    say("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, {skew:.1f} s from the database's", wrong=skew > CLOCK_SECONDS)


def _doctor_integrations(hub: Hub, say: Any, *, call: bool) -> None:
    integrations = hub.directory.all()
    if not integrations:
        say("integration", "none yet; write a hub.toml and run: hub apply hub.toml")
    for bound in integrations:
        if bound.channel is None:
            say("integration", f"{bound.name}: {bound.error}", wrong=True)
            continue
        say("integration", f"{bound.name}: {bound.channel_name} for assistant {bound.assistant.name}")
        for endpoint in bound.channel.endpoints:
            click.echo(f"    {endpoint:10} {bound.channel.integration.url(endpoint)}   (this very URL is signed)")
        if bound.assistant.instance is None:
            say("assistant", f"{bound.assistant.name}: {bound.assistant.error}", wrong=True)
        if call:
            _call(say, "provider", bound.name, bound.channel)
            if bound.assistant.instance is not None:
                _call(say, "assistant", bound.assistant.name, bound.assistant.instance)


def _doctor_hook_times(hub: Hub, say: Any) -> None:
    """A hook that may take longer than the hub waits for one would be passed over."""
    for name in hub.directory.assistant_names():
        assistant = hub.directory.assistant(name)
        for section, settings in assistant.sections.items() if assistant else ():
            seconds = getattr(settings, "timeout", getattr(settings, "time_limit", 0))
            if hub.registry.sections[section].hooks != ("logged",) and seconds > hub.config.hook_seconds:
                sentence = f"{name}.{section}: its time-out of {seconds:g} s is longer than HUB_HOOK_SECONDS"
                say("section", sentence, wrong=True)


def _doctor_sections(hub: Hub, say: Any) -> None:
    """One test call of every section that knows how: what was sent, what came back, how long it took."""
    tests = 0
    for name in hub.directory.assistant_names():
        assistant = hub.directory.assistant(name)
        for section, settings in assistant.sections.items() if assistant else ():
            test = hub.registry.sections[section].test
            if test is None:
                continue
            tests += 1
            try:
                owner = hub.registry.owner("section", section) or section
                done = test(settings, name, hub.directory.services(owner))
            except Exception as error:
                say("webhook", f"{name}.{section}: the test raised {type(error).__name__}", wrong=True)
                continue
            say("webhook", f"{name}.{section}: {done.milliseconds:.0f} ms", wrong=not done.ok)
            for title, content in (("sent", done.request), ("answer", done.answer)):
                click.echo(f"    {title}:")
                click.echo("\n".join(f"      {line}" for line in content.splitlines()))
    if not tests:
        say("webhook", "no assistant has a webhook")


def _call(say: Any, topic: str, name: str, target: Any) -> None:
    try:
        say(topic, f"{name}: {target.check()}")
    except HubError as error:
        say(topic, f"{name}: {error}", wrong=True)
    except Exception as error:
        say(topic, f"{name}: the check raised {type(error).__name__}", wrong=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def lanes(as_json: bool) -> None:
    """Show what waits: per lane how many texts and messages, how long, and why."""
    with opened_hub() as hub:
        with hub.store.read() as connection:
            rows = list(lane.overview(connection))
        for row in rows:
            record = _lane(row)
            click.echo(json.dumps(record) if as_json else _lane_line(record))
        if not rows and not as_json:
            click.echo("nothing waits")


def _lane(row: Any) -> dict[str, Any]:
    now = clock.now()
    leased = row.owner is not None and row.due_at is not None and row.due_at > now
    if leased:
        reason = "a worker is at it"
    elif row.owner is not None:
        reason = "its worker is gone; the next sweep takes it over"
    elif row.outbox and row.due_at is not None:
        reason = f"next attempt {_ago(row.due_at, now)}" + (f" after: {row.error}" if row.error else "")
    else:
        reason = "waits for a worker"
    return {
        "id": str(row.id),
        "line": row.line,
        "person": mask(row.person),
        "inbox": row.inbox or 0,
        "outbox": row.outbox or 0,
        "since": row.since.isoformat() if row.since else None,
        "reason": reason,
    }


def _lane_line(record: dict[str, Any]) -> str:
    since = f"since {record['since'][:19]}" if record["since"] else ""
    return (
        f"{record['line']} ↔ {record['person']}  {record['inbox']} to answer, {record['outbox']} to send {since}  "
        f"{record['reason']}"
    )


def _ago(moment: datetime, now: datetime) -> str:
    seconds = round((moment - now).total_seconds())
    return f"in {seconds} s" if seconds > 0 else "now"


@click.command()
@click.option("--person", help="Only with this person, +15550000002.")
@click.option("--provider-id", help="Only the message with this provider id (SM…, MM…).")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def messages(person: str | None, provider_id: str | None, limit: int, as_json: bool) -> None:
    """List messages in both directions, oldest first, with every status the provider reported."""
    query: Select[Any] = (
        select(Message.__table__, Integration.name.label("integration"), Integration.channel)
        .join(Integration, Integration.id == Message.integration_id)
        .order_by(Message.id.desc())
        .limit(limit)
    )
    if person is not None:
        query = query.where(or_(Message.sender == person, Message.recipient == person))
    if provider_id is not None:
        query = query.where(Message.provider_id == provider_id)
    with opened_hub() as hub, hub.store.read() as connection:
        for row in reversed(connection.execute(query).all()):
            record = _message(row, reports_of(connection, row.id) if row.direction == "outbound" else ())
            click.echo(json.dumps(record, ensure_ascii=False) if as_json else _message_line(record))


def _message(row: Any, reports: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "direction": row.direction,
        "channel": row.channel,
        "integration": row.integration,
        "provider_id": row.provider_id,
        "from": row.sender,
        "to": row.recipient,
        "text": row.text,
        "media": [media["url"] if isinstance(media, dict) else media for media in row.media],
        "segments": row.segments,
        "status": row.status,
        "error_code": row.error_code,
        "error": row.error,
        "created_at": row.created_at.isoformat(),
        "events": [
            {"status": event.status, "error_code": event.error_code, "at": event.created_at.isoformat()}
            for event in reports
        ],
    }


def _message_line(record: dict[str, Any]) -> str:
    arrow = "→" if record["direction"] == "inbound" else "←"
    person = mask(record["from"] if record["direction"] == "inbound" else record["to"])
    problem = f" ({record['error_code']}: {record['error']})" if record["error_code"] else ""
    text = " ".join(record["text"].split())
    return f"{record['created_at'][:19]} {arrow} {person} {record['status']}{problem}  {text[:100]}"


COMMANDS: tuple[click.Command, ...] = (plugins, doctor, lanes, messages)
