"""Starting a hub inside a WSGI server's worker, and stopping it with the worker."""

from __future__ import annotations

import atexit
import os
import sys

from flask import Flask

from hub import log
from hub.cli import COMMANDS
from hub.config import Config
from hub.errors import HubError
from hub.hub import Hub
from hub.web import create_app

CANNOT_START = 4
"""gunicorn's own exit code for "the app failed to load": its master then stops instead of trying for ever."""


def application() -> Flask:
    """The application with its engine running; a wrong setting ends the process with one line on stderr.

    Under ``flask --app wsgi COMMAND`` the hub's commands are there too, and the engine only runs for ``run``.
    """
    log.configure()
    try:
        app = create_app(Config.from_environment())
        for command in COMMANDS:
            app.cli.add_command(command)
        hub: Hub = app.extensions["hub"]
        if os.environ.get("FLASK_RUN_FROM_CLI") != "true" or "run" in sys.argv:
            hub.start()
            atexit.register(_stop, hub, os.getpid())
    except HubError as error:
        print(f"hub: {error}", file=sys.stderr, flush=True)
        sys.exit(CANNOT_START)
    return app


def _stop(hub: Hub, pid: int) -> None:
    # A forked child inherits the registration but not the threads.
    if os.getpid() == pid:
        hub.stop()
