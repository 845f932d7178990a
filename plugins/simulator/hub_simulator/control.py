"""The control API: what phones and test scripts use, and Twilio does not have."""

from __future__ import annotations

import base64
import binascii
import json
import queue
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request, stream_with_context
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub_simulator import behaviour
from hub_simulator.create import MAX_MEDIA
from hub_simulator.messages import Message
from hub_simulator.representation import view
from hub_simulator.settings import MEGABYTE
from hub_simulator.simulator import Simulator, TextError

MEDIA_LIMIT = 5 * MEGABYTE
HEARTBEAT = 15


class _Picture(BaseModel):
    model_config = ConfigDict(extra="forbid")
    content_type: str = Field(pattern=r"^[\w.+-]+/[\w.+-]+$")
    base64: str


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid")
    from_: str = Field(alias="from")
    to: str
    body: str = ""
    media: list[_Picture] = Field(default=[], max_length=MAX_MEDIA)
    sid: str | None = Field(default=None, pattern=r"^(SM|MM)[0-9a-fA-F]{32}$")
    wait: bool = True


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")
    message_url: str | None = None
    fallback_url: str | None = None
    method: str | None = Field(default=None, pattern="^(GET|POST)$")


def blueprint(simulator: Simulator) -> Blueprint:
    """Texts, messages, events, behaviour, numbers and the debugger, under /simulator."""
    control = Blueprint("control", __name__, url_prefix="/simulator")

    @control.before_request
    def refuse_other_sites() -> None:
        """A page of another site may not text for the person who has it open."""
        origin = request.headers.get("Origin")
        if request.method not in ("GET", "HEAD") and origin and origin != request.host_url.rstrip("/"):
            abort(403)

    @control.errorhandler(ValidationError)
    def show_validation(error: ValidationError) -> ResponseReturnValue:
        first = error.errors()[0]
        return _bad(f"{'.'.join(str(step) for step in first['loc']) or 'document'}: {first['msg']}")

    @control.errorhandler(behaviour.BehaviourError)
    @control.errorhandler(TextError)
    def show_sentence(error: ValueError) -> ResponseReturnValue:
        return _bad(str(error))

    @control.post("/texts")
    def text() -> ResponseReturnValue:
        given = _form_text() if request.mimetype == "multipart/form-data" else _json_text()
        asked, media = given
        message = simulator.text(asked.from_, asked.to, asked.body, media, asked.sid, asked.wait)
        shown = view(message)
        return {key: shown[key] for key in ("sid", "status", "attempts")}, 201

    @control.get("/messages")
    def messages() -> ResponseReturnValue:
        query = request.args
        after = query.get("after", "0")
        if not after.isdecimal():
            return _bad("after: must be the seq of a message")
        wanted = [m for m in simulator.store.all() if m.seq > int(after) and _concerns(m, query)]
        return jsonify(messages=[view(m) for m in wanted])

    @control.get("/events")
    def events() -> ResponseReturnValue:
        return Response(
            stream_with_context(_events(simulator)), mimetype="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    @control.get("/debugger")
    def debugger() -> ResponseReturnValue:
        return jsonify(alerts=[alert.document() for alert in list(simulator.debugger)])

    @control.get("/behaviour")
    def show_behaviour() -> ResponseReturnValue:
        return simulator.behaviour.current.model_dump(mode="json", by_alias=True)

    @control.put("/behaviour")
    def set_behaviour() -> ResponseReturnValue:
        simulator.behaviour.set(behaviour.parse(_document()))
        return show_behaviour()

    @control.get("/numbers")
    def numbers() -> ResponseReturnValue:
        return jsonify(numbers=[vars(line) for line in simulator.lines.values()])

    @control.put("/numbers/<number>")
    def set_number(number: str) -> ResponseReturnValue:
        if number not in simulator.lines:
            abort(404)
        return vars(simulator.configure(number, **_Line.model_validate(_document()).model_dump()))

    return control


def _bad(sentence: str) -> ResponseReturnValue:
    return {"error": sentence}, 400


def _document() -> object:
    """The JSON body. Its type is demanded because browsers do not let other sites send it."""
    if not request.is_json:
        abort(415)
    try:
        return json.loads(request.get_data())
    except ValueError as error:
        raise TextError(f"document: not JSON ({error})") from None


def _json_text() -> tuple[_Text, list[tuple[str, bytes]]]:
    asked = _Text.model_validate(_document())
    try:
        media = [(picture.content_type, base64.b64decode(picture.base64, validate=True)) for picture in asked.media]
    except binascii.Error:
        raise TextError("media: not base64") from None
    return asked, _limited(media)


def _form_text() -> tuple[_Text, list[tuple[str, bytes]]]:
    asked = _Text.model_validate({key: value for key, value in request.form.items() if value})
    files = [file for file in request.files.getlist("media") if file.filename]
    return asked, _limited([(file.mimetype or "application/octet-stream", file.read()) for file in files])


def _limited(media: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    if sum(len(data) for _, data in media) > MEDIA_LIMIT:
        raise TextError("media: more than 5 MB")
    return media


def _concerns(message: Message, query: Any) -> bool:
    return query.get("person") in (None, "", message.person) and query.get("number") in (None, "", message.number)


def _events(simulator: Simulator) -> Iterator[str]:
    """Changed messages as server-sent events, until the reader leaves or the simulator stops."""
    subscriber = simulator.store.subscribe()
    try:
        yield "retry: 1000\n\n"
        while not simulator.scheduler.closing.is_set():
            try:
                message = subscriber.get(timeout=HEARTBEAT)
            except queue.Empty:
                yield ": still here\n\n"
                continue
            if message is None:
                return  # too slow: a browser connects again and asks for what it missed
            yield f"id: {message.seq}\ndata: {json.dumps(view(message))}\n\n"
    finally:
        simulator.store.unsubscribe(subscriber)
