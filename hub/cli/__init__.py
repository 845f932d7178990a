"""The ``hub`` command line: 0 is good, 1 failed, 2 wrong usage or invalid file; an error is one line on stderr."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click
from sqlalchemy.exc import SQLAlchemyError

from hub import log
from hub.cli import configure, grant, inspect, run
from hub.config import allowed_plugins
from hub.errors import ConfigError, HubError
from hub.plugins import Registry

COMMANDS: tuple[click.Command, ...] = (*run.COMMANDS, *configure.COMMANDS, *grant.COMMANDS, *inspect.COMMANDS)


class _Hub(click.Group):
    """The host's commands, and those of plugins, which are only loaded when one is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *self._of_plugins()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name) or self._of_plugins().get(name)

    def _of_plugins(self) -> dict[str, click.Command]:
        return Registry(allowed_plugins(os.environ)).commands


@click.group(cls=_Hub, commands={str(command.name): command for command in COMMANDS})
@click.version_option(package_name="integration-hub", prog_name="hub")
def hub() -> None:
    """Connects assistants to the ways people talk to a company."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command; never shows a traceback for an error of the person who runs it."""
    log.configure()
    try:
        result = hub.main(arguments, prog_name="hub", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"hub: {error.format_message()}".replace("\n", " "), err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("hub: stopped", err=True)
        sys.exit(1)
    except HubError as error:
        click.echo(f"hub: {error}".replace("\n", " "), err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        click.echo(f"hub: HUB_DATABASE_URL: {reason}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
