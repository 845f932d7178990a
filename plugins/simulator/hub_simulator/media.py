"""Media over HTTP: Twilio's Media resource, its redirect to a signed address, and the same bytes for the phones."""

from __future__ import annotations

import hmac
import time
from hashlib import sha256

from flask import Blueprint, Response, redirect, request
from flask.typing import ResponseReturnValue

from hub_simulator.api import ACCOUNT, authenticate
from hub_simulator.errors import ApiError
from hub_simulator.messages import Media, Message
from hub_simulator.misbehave import obeys_rules
from hub_simulator.representation import media_resource
from hub_simulator.simulator import Simulator

LIFETIME = 4 * 3600


def blueprint(simulator: Simulator) -> Blueprint:
    """Everything that serves media."""
    routes = Blueprint("media", __name__)
    settings = simulator.settings
    one = f"{ACCOUNT}/Messages/<message_sid>/Media/<sid>"

    def find(account: str, message_sid: str, sid: str) -> tuple[Message, Media]:
        message = simulator.store.get(message_sid)
        media = next((m for m in message.media if m.sid == sid), None) if message else None
        if message is None or media is None or account != settings.account_sid:
            raise ApiError(20404, 404)
        return message, media

    def sign(path: str, expires: str) -> str:
        return hmac.new(settings.auth_token.encode(), f"{path}?{expires}".encode(), sha256).hexdigest()

    @routes.get(f"{one}.json")
    def fetch(account: str, message_sid: str, sid: str) -> ResponseReturnValue:
        authenticate(simulator)
        message, media = find(account, message_sid, sid)
        return media_resource(media, message, account)

    @routes.delete(f"{one}.json")
    @routes.delete(one)
    def delete(account: str, message_sid: str, sid: str) -> ResponseReturnValue:
        authenticate(simulator)
        message, media = find(account, message_sid, sid)
        simulator.store.change(message.sid, media=tuple(m for m in message.media if m is not media))
        return "", 204

    @routes.get(one)
    @obeys_rules(simulator, "media")
    def content(account: str, message_sid: str, sid: str) -> ResponseReturnValue:
        """Media are public by default; the bytes themselves are at an address that expires."""
        if simulator.behaviour.current.media.auth:
            authenticate(simulator)
        find(account, message_sid, sid)
        if simulator.behaviour.media_is_missing(sid):
            raise ApiError(20404, 404)
        expires = str(int(time.time()) + LIFETIME)
        path = f"/media-store/{message_sid}/{sid}"
        return redirect(f"{settings.public_url}{path}?Expires={expires}&Signature={sign(path, expires)}", 302)

    @routes.get("/media-store/<message_sid>/<sid>")
    def stored(message_sid: str, sid: str) -> ResponseReturnValue:
        expires = request.args.get("Expires", "")
        signature = request.args.get("Signature", "")
        genuine = hmac.compare_digest(sign(request.path, expires).encode(), signature.encode())
        if not genuine or int(expires) < time.time() or request.headers.get("Authorization"):
            # Like the real store, which refuses two kinds of credentials at once.
            return Response("AccessDenied", 403, mimetype="text/plain")
        return _bytes(find(settings.account_sid, message_sid, sid)[1])

    @routes.get("/simulator/media/<message_sid>/<sid>")
    def for_phone(message_sid: str, sid: str) -> ResponseReturnValue:
        return _bytes(find(settings.account_sid, message_sid, sid)[1])

    return routes


def _bytes(media: Media) -> Response:
    answer = Response(media.data, mimetype=media.content_type)
    # Anybody may have sent this; opened in a browser it must not act as a page of this site.
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
