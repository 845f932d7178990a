"""The application factory. It builds; starting the engine is the business of who serves (``wsgi.py``)."""

from __future__ import annotations

from flask import Flask, Response

from hub.config import Config
from hub.hub import Hub
from hub.web import health, media, webhooks


def create_app(config: Config | None = None, hub: Hub | None = None) -> Flask:
    """The Flask application of the hub. Neither the store nor the network is touched.

    :param config: what the environment says unless given.
    :param hub: a hub built elsewhere.
    :raises ConfigError: a setting does not work.
    """
    hub = Hub.build(config or Config.from_environment()) if hub is None else hub
    app = Flask("hub", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would go to whatever Host the caller named
    app.config["MAX_CONTENT_LENGTH"] = hub.config.max_request_bytes
    app.extensions["hub"] = hub
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(media.blueprint)
    app.register_blueprint(health.blueprint)
    app.after_request(_plain_headers)
    app.wsgi_app = webhooks.ShortWay(hub, app.wsgi_app)  # type: ignore[method-assign]
    return app


def _plain_headers(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
