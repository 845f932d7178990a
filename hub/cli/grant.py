"""Granting access in a browser: the one step of OAuth 2.0's authorization code that needs a person."""

from __future__ import annotations

import re
import secrets
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click

from hub.auth import OAuth2Auth, authorization_url, exchange_code
from hub.cli.configure import opened_hub
from hub.errors import ConfigError
from hub.hub import Hub

EXCHANGE_SECONDS = 30.0
_ERROR_CODE = re.compile(r"[^A-Za-z0-9_. -]")
"""What is not shown of what a stranger's server calls an error."""


@click.command()
@click.argument("assistant")
@click.argument("section", default="")
@click.option(
    "--redirect-uri",
    help="Where the authorizing server sends the browser, registered there; else /oauth/granted of the public URL.",
)
def grant(assistant: str, section: str, redirect_uri: str | None) -> None:
    """Grant an OAuth 2.0 authorization code to ASSISTANT, or to its webhook SECTION (premessage, postmessage, log).

    Prints the page to open. Grant access there, then paste the address the browser was sent to; that no page answers
    there does not matter. The tokens are kept encrypted and renewed by themselves.
    """
    with opened_hub() as hub:
        settings, plugin, name = _grantee(hub, assistant, section)
        target = redirect_uri or f"{hub.config.public_url}/oauth/granted"
        state = secrets.token_urlsafe(16)
        click.echo(f"open this page, and grant access:\n\n  {authorization_url(settings, target, state)}\n")
        address = click.prompt("address the browser was sent to", hide_input=sys.stdin.isatty())
        code = _code(address, state)
        tokens = exchange_code(settings, hub.http, code, target, EXCHANGE_SECONDS)
        hub.directory.services(plugin).secrets.put(name, tokens)
    click.echo(f"{name}: granted")


def _grantee(hub: Hub, name: str, section: str) -> tuple[OAuth2Auth, str, str]:
    """The settings, the plugin that uses them, and the name its tokens are kept under."""
    bound = hub.directory.assistant(name)
    if bound is None:
        raise ConfigError(f"there is no assistant {name}")
    if section:
        holder: Any = bound.sections.get(section)
        plugin, kept = hub.registry.owner("section", section), f"{name}.{section}"
        if holder is None or plugin is None:
            raise ConfigError(f"assistant {name} has no section {section} that is switched on")
    else:
        if bound.instance is None:
            raise ConfigError(f"assistant {name} is not usable: {bound.error}")
        holder, plugin, kept = bound.instance.settings, hub.registry.owner("assistant", bound.plugin), name
    auth = getattr(holder, "auth", None)
    if not isinstance(auth, OAuth2Auth) or auth.grant != "authorization_code":
        raise ConfigError(f"{kept}: auth is not oauth2 with grant authorization_code")
    return auth, str(plugin), kept


def _code(address: str, state: str) -> str:
    """The code in the address the browser was sent to."""
    other = ConfigError("this is not the address that belongs to the page above")
    try:
        answer = parse_qs(urlsplit(address.strip()).query)
    except ValueError:
        raise other from None
    if "error" in answer:
        said = _ERROR_CODE.sub("?", answer["error"][0])[:60]
        raise ConfigError(f"the authorizing server answered: {said}")
    if answer.get("state") != [state] or not answer.get("code"):
        raise other
    return answer["code"][0]


COMMANDS: tuple[click.Command, ...] = (grant,)
