"""Carrying out the rules of the behaviour document on REST requests."""

from __future__ import annotations

import errno
import functools
import os
import socket
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request
from flask.typing import ResponseReturnValue

from hub_simulator.behaviour import Operation, Rule
from hub_simulator.errors import ApiError
from hub_simulator.simulator import Simulator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

View = Callable[..., ResponseReturnValue]
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
CODE_OF_STATUS = {401: 20003, 404: 20404, 405: 20004, 429: 20429, 500: 20500, 503: 20503}


def obeys_rules(simulator: Simulator, operation: Operation) -> Callable[[View], View]:
    """Make a view fail when the behaviour document says so."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(**path: Any) -> ResponseReturnValue:
            asked = request.values
            sender = asked.get("From") or asked.get("MessagingServiceSid", "")
            rule = simulator.behaviour.rule(operation, asked.get("To", ""), sender, asked.get("Body", ""))
            if rule is None:
                return view(**path)
            if rule.do == "slow":
                simulator.scheduler.closing.wait(rule.seconds)
                return view(**path)
            if rule.accept:
                view(**path)
            return _fail(rule, simulator)

        return guarded

    return decorate


def _fail(rule: Rule, simulator: Simulator) -> Response:
    if rule.do == "status":
        code = rule.code or CODE_OF_STATUS.get(rule.status, 20500 if rule.status >= 500 else 20001)
        answer = jsonify(ApiError(code, rule.status).document())
        answer.status_code = rule.status
        answer.headers.update(rule.headers)
        return answer
    if rule.do == "hang":
        simulator.scheduler.closing.wait(rule.seconds)
    return BrokenConnection()


class BrokenConnection(Response):
    """No answer at all: the client sees its connection reset."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Reset the connection, and tell the server that there is nobody left to answer."""
        for name in ("gunicorn.socket", "hub_simulator.socket", "werkzeug.socket"):
            if name in environ:
                _reset(environ[name])
        raise ConnectionResetError(errno.ECONNRESET, "reset on demand")


def _reset(connection: socket.socket) -> None:
    """Send RST and leave the server a closed socket in place of the real one.

    A plain close would be turned into an orderly one: servers shut a socket down before they close it.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    stand_in, other_end = socket.socketpair()
    with stand_in, other_end:
        os.dup2(stand_in.fileno(), connection.fileno(), inheritable=False)
