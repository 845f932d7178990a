"""The simulator as a Flask application, and served by gunicorn as a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from hub_simulator import api, control, media
from hub_simulator.errors import ApiError
from hub_simulator.settings import Settings
from hub_simulator.simulator import Simulator

REQUEST_LIMIT = 8_000_000
THREADS = 32
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def create_app(settings: Settings) -> Flask:
    """The simulator over HTTP. Its state is in `app.extensions["simulator"]`."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = REQUEST_LIMIT
    app.json.sort_keys = False  # type: ignore[attr-defined]
    simulator = Simulator(settings)
    app.extensions["simulator"] = simulator
    for module in (api, media, control):
        app.register_blueprint(module.blueprint(simulator))
    app.register_error_handler(ApiError, api.show_error)
    app.register_error_handler(NotFound, lambda _: api.show_error(ApiError(20404, 404)))
    app.register_error_handler(MethodNotAllowed, lambda _: api.show_error(ApiError(20004, 405)))

    @app.get("/")
    def phones() -> ResponseReturnValue:
        return render_template("hub_simulator/phones.html", numbers=settings.numbers, account=settings.account_sid)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    return app


class Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with one process, for the state is in memory; `when_ready` is called as soon as it listens."""

    def __init__(self, settings: Settings, host: str, port: int, when_ready: Callable[[], None]) -> None:
        self._settings = settings
        self._when_ready = when_ready
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn up; nothing is read from files or the environment."""
        options: dict[str, Any] = {
            "bind": [self._address],
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": 75,
            "graceful_timeout": 1,
            "loglevel": "warning",
            "accesslog": None,
            "control_socket_disable": True,
            "when_ready": lambda _: self._when_ready(),
            "worker_exit": _close,
        }
        for key, value in options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Make the application inside the worker, where its threads live."""
        return create_app(self._settings)


def _close(_: object, worker: Any) -> None:
    if isinstance(worker.wsgi, Flask):
        worker.wsgi.extensions["simulator"].close()
