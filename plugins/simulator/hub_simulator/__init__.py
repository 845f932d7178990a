"""A local stand-in for Twilio: the messaging API, signed webhooks, and phones in the browser."""

import click

from hub import hookimpl
from hub_simulator.command import simulator as command


@hookimpl
def register_commands() -> list[click.Command]:
    """Add ``hub simulator``."""
    return [command]
