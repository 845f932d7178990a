"""The REST API (Twilio: Message, Media and Message Feedback resources, 2010-04-01)."""

from __future__ import annotations

import functools
import hmac
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from hub_simulator.create import normal_number
from hub_simulator.errors import ApiError
from hub_simulator.messages import Message, new_sid, now
from hub_simulator.misbehave import obeys_rules
from hub_simulator.paging import DateFilter, page
from hub_simulator.representation import API_VERSION, media_resource, message_uri, resource, rfc2822
from hub_simulator.simulator import Simulator

ACCOUNT = f"/{API_VERSION}/Accounts/<account>"
FORM = "application/x-www-form-urlencoded"


def blueprint(simulator: Simulator) -> Blueprint:
    """The Message resources of the simulated account."""
    api = Blueprint("api", __name__, url_prefix=ACCOUNT)

    @api.before_request
    def check_request() -> None:
        authenticate(simulator)
        if (request.view_args or {}).get("account") != simulator.settings.account_sid:
            raise ApiError(20404, 404)
        if request.method == "POST" and request.mimetype not in (FORM, ""):
            raise ApiError(20415, 415)

    @api.after_request
    def name_request(answer: Response) -> Response:
        answer.headers["Twilio-Request-Id"] = new_sid("RQ")
        return answer

    @api.post("/Messages.json")
    @obeys_rules(simulator, "create")
    def create(account: str) -> ResponseReturnValue:
        return jsonify(resource(simulator.create(request.form), account)), 201

    @api.get("/Messages.json")
    @obeys_rules(simulator, "list")
    def list_messages(account: str) -> ResponseReturnValue:
        query = request.args
        sent = DateFilter(query, "DateSent")
        found = [message for message in reversed(simulator.store.all()) if _listed(message, query, sent)]
        path = message_uri(account, "").rstrip("/") + ".json"
        return jsonify(page(path, query, "messages", found, lambda m: m.sid, lambda m: resource(m, account)))

    @api.get("/Messages/<sid>.json")
    @obeys_rules(simulator, "fetch")
    def fetch(account: str, sid: str) -> ResponseReturnValue:
        return jsonify(resource(_message(simulator, sid), account))

    @api.post("/Messages/<sid>.json")
    @obeys_rules(simulator, "update")
    def update(account: str, sid: str) -> ResponseReturnValue:
        return jsonify(resource(_updated(simulator, _message(simulator, sid)), account))

    @api.delete("/Messages/<sid>.json")
    @obeys_rules(simulator, "delete")
    def delete(account: str, sid: str) -> ResponseReturnValue:  # noqa: ARG001 - the route names it
        simulator.delete(_message(simulator, sid))
        return "", 204

    @api.post("/Messages/<sid>/Feedback.json")
    def feedback(account: str, sid: str) -> ResponseReturnValue:
        return jsonify(_feedback(_message(simulator, sid), account))

    @api.get("/Messages/<sid>/Media.json")
    def list_media(account: str, sid: str) -> ResponseReturnValue:
        message = _message(simulator, sid)
        created = DateFilter(request.args, "DateCreated")
        found = [media for media in message.media if created.passes(media.created)]
        path = f"{message_uri(account, sid)}/Media.json"
        show = functools.partial(media_resource, message=message, account=account)
        return jsonify(page(path, request.args, "media_list", found, lambda m: m.sid, show))

    return api


def authenticate(simulator: Simulator) -> None:
    """Basic auth with the account's token or an API key."""
    given = request.authorization
    settings = simulator.settings
    secrets = {settings.account_sid: settings.auth_token, **settings.api_keys}
    user = (given.username or "") if given and given.type == "basic" else ""
    password = (given.password or "") if given and given.type == "basic" else ""
    if not hmac.compare_digest(secrets.get(user, "").encode(), password.encode()) or user not in secrets:
        raise ApiError(20003, 401)


def show_error(error: ApiError) -> Response:
    """An error as Twilio answers it."""
    answer = jsonify(error.document())
    answer.status_code = error.status
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return answer


def _message(simulator: Simulator, sid: str) -> Message:
    message = simulator.store.get(sid)
    if message is None or message.origin == "twilio":
        raise ApiError(20404, 404)
    return message


def _listed(message: Message, query: MultiDict[str, str], sent: DateFilter) -> bool:
    """Whether the list filters let a message through."""
    if message.origin == "twilio":
        return False
    for name, value in (("To", message.to), ("From", message.from_)):
        wanted = query.get(name)
        if wanted and (normal_number(wanted) or wanted) != value:
            return False
    # What is still queued has no date_sent, and would be missed by somebody who asks what became of a request.
    return sent.passes(message.sent or message.created)


def _updated(simulator: Simulator, message: Message) -> Message:
    """Redact the text or cancel (Twilio: Message resource, update)."""
    changed: Message | None = message
    if request.form.get("Status"):
        if request.form["Status"] != "canceled":
            raise ApiError(20001, 400, "Status can only be set to canceled.")
        changed = simulator.cancel(message)
    if "Body" in request.form:
        if request.form["Body"]:
            raise ApiError(20001, 400, "Body can only be set to nothing.")
        changed = simulator.store.change(message.sid, body="")
    return changed or message


def _feedback(message: Message, account: str) -> dict[str, Any]:
    outcome = request.form.get("Outcome", "confirmed")
    if outcome not in ("confirmed", "unconfirmed"):
        raise ApiError(20001, 400, "Outcome must be confirmed or unconfirmed.")
    at = rfc2822(now())
    return {
        "account_sid": account,
        "message_sid": message.sid,
        "outcome": outcome,
        "date_created": at,
        "date_updated": at,
        "uri": f"{message_uri(account, message.sid)}/Feedback.json",
    }
