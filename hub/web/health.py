"""``/healthz``, ``/readyz`` and ``/metrics``; no sign-in."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy.exc import SQLAlchemyError

from hub import metrics
from hub.errors import HubError
from hub.hub import Hub
from hub.lane import waiting
from hub.store.schema import require_current

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Store, migrations and engine work; 503 with the reason otherwise."""
    hub: Hub = current_app.extensions["hub"]
    checks = {"store": "ok", "migrations": "ok", "engine": "ok" if hub.engine.running else "not started"}
    try:
        require_current(hub.store, newer_is_fine=True)
    except HubError as error:
        checks["store" if "HUB_DATABASE_URL" in str(error) else "migrations"] = str(error)
    ready = all(value == "ok" for value in checks.values())
    return jsonify(status="ok" if ready else "not ready", checks=checks), 200 if ready else 503


@blueprint.get("/metrics")
def prometheus() -> Response:
    """Everything the hub counts, over all workers."""
    hub: Hub = current_app.extensions["hub"]
    try:
        with hub.store.read() as connection:
            lanes, oldest = waiting(connection)
    except SQLAlchemyError:
        return Response("the store cannot be read\n", 503, content_type="text/plain")
    body, content_type = metrics.exposition(metrics.Waiting(lanes, oldest))
    return Response(body, content_type=content_type)
