"""The one dispatcher of provider webhooks: verified and read by the channel, stored, then answered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, current_app, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from hub.channels import MAX_FIELDS, WebhookRequest
from hub.errors import WebhookMalformed, WebhookRefused
from hub.hub import Hub
from hub.ids import uuid7
from hub.log import get_logger
from hub.metrics import WEBHOOKS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PREFIX = "/webhooks/"

blueprint = Blueprint("webhooks", __name__)


@blueprint.post("/webhooks/<integration>/<endpoint>")
def webhook(integration: str, endpoint: str) -> Response:
    """The route as Flask knows it, which also answers 405 to other methods."""
    return receive(current_app.extensions["hub"], request, integration, endpoint)


class ShortWay:
    """Takes webhooks before Flask does: they need none of its contexts, which cost a sixth of a webhook's time."""

    def __init__(self, hub: Hub, otherwise: WSGIApplication) -> None:
        self._hub = hub
        self._otherwise = otherwise

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a webhook, or hand the request on."""
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "POST" or not path.startswith(_PREFIX) or path.count("/") != 3:
            return self._otherwise(environ, start_response)
        _, _, integration, endpoint = path.split("/")
        wire = Request(environ)
        wire.max_content_length = self._hub.config.max_request_bytes
        return receive(self._hub, wire, integration, endpoint)(environ, start_response)


def receive(hub: Hub, wire: Request, integration: str, endpoint: str) -> Response:
    """Take one request of a provider: 403 if it is not the provider's, 404 for an unknown integration or endpoint."""
    about = {"integration": integration[:63], "endpoint": endpoint[:63], "correlation": uuid7().hex[-16:]}
    channel = "unknown"
    log = get_logger()
    try:
        bound = hub.directory.named(integration) if _NAME.fullmatch(integration) else None
        if bound is None:
            return _refuse(404, channel, "unknown_integration")
        channel = bound.channel_name
        if bound.channel is None:
            log.error("integration_not_usable", **about, reason=bound.error)
            return _refuse(503, channel, "not_usable")
        if endpoint not in bound.channel.endpoints:
            return _refuse(404, channel, "unknown_endpoint")
        received = bound.channel.receive(_wire_request(hub, wire, endpoint))
        lanes, results = hub.inbox.accept(bound, received, about["correlation"])
    except WebhookRefused as error:
        log.warning("webhook_refused", **about, reason=str(error))
        return _refuse(403, channel, "refused")
    except WebhookMalformed as error:
        log.warning("webhook_malformed", **about, reason=str(error))
        return _refuse(400, channel, "malformed")
    except RequestEntityTooLarge:
        log.warning("webhook_too_large", **about)
        return _refuse(413, channel, "too_large")
    except (ClientDisconnected, OSError):
        return _refuse(400, channel, "disconnected")
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", ""))[:200]
        log.error("webhook_not_stored", **about, error=type(error).__name__, reason=reason)
        return _refuse(503, channel, "not_stored")
    except Exception:
        log.error("webhook_failed", **about, channel=channel, exc_info=True)
        return _refuse(500, channel, "failed")
    for lane in lanes:
        hub.engine.wake(lane)
    for result in (*(results or ("nothing",)), *received.warnings):
        WEBHOOKS.labels(channel, result).inc()
    log.info("webhook_accepted", **about, results=results)
    answer = received.answer
    return Response(answer.body, answer.status, content_type=answer.content_type)


def _wire_request(hub: Hub, wire: Request, endpoint: str) -> WebhookRequest:
    """The request with the raw target as it came: decoding and encoding it again would break signatures.

    :raises RequestEntityTooLarge: the body is over the limit or has more than 500 fields.
    """
    body = _body(wire)
    if body.count(b"&") >= MAX_FIELDS:
        raise RequestEntityTooLarge
    environ = wire.environ
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target is None or not target.startswith("/"):
        query = environ.get("QUERY_STRING", "")
        target = quote(environ.get("PATH_INFO", "")) + (f"?{query}" if query else "")
    return WebhookRequest("POST", endpoint, hub.config.public_url + target, _Headers(environ), body)


def _body(wire: Request) -> bytes:
    """The whole body.

    :raises RequestEntityTooLarge: it is over the limit.
    :raises ClientDisconnected: it was cut off, or its chunks make no sense.
    """
    try:
        body = wire.get_data(cache=False)
    except (RequestEntityTooLarge, ClientDisconnected):
        raise
    except Exception as error:  # what servers raise about chunks has no common base
        raise ClientDisconnected from error
    if wire.content_length is not None:
        if len(body) != wire.content_length:
            raise ClientDisconnected
    elif wire.max_content_length is not None and len(body) >= wire.max_content_length:
        # Without a Content-Length werkzeug stops at the limit without a word.
        raise RequestEntityTooLarge
    return body


class _Headers(Mapping[str, str]):
    """The request's headers by lower-case name, read from the WSGI environment when asked for."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        if name in ("content-type", "content-length"):
            value: str = self._environ[name.upper().replace("-", "_")]
        else:
            value = self._environ[f"HTTP_{name.upper().replace('-', '_')}"]
        return value

    def __iter__(self) -> Iterator[str]:
        for name in self._environ:
            if name.startswith("HTTP_"):
                yield name[5:].replace("_", "-").lower()
            elif name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                yield name.replace("_", "-").lower()

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _refuse(status: int, channel: str, result: str) -> Response:
    WEBHOOKS.labels(channel, result).inc()
    return Response(f"{result}\n", status, content_type="text/plain")
