"""What the hub's webhook is measured against: the least a durable Flask application can do.

It checks the signature with the SDK, stores the message in one INSERT and COMMIT (SQLite, WAL, synchronous=FULL) and
answers. There is no queue, no turn and no sending behind it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, abort, request
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, create_engine, event
from sqlalchemy.exc import IntegrityError
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bench.sms import PATH

MESSAGE = Table(
    "message",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("provider_id", Text, nullable=False, unique=True),
    Column("sender", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("received_at", DateTime, nullable=False),
)

ONE_CONNECTION = {"pool_size": 1, "max_overflow": 0}
"""With BENCH_ONE_CONNECTION=1. SQLite has one writer at a time: threads that queue for one connection are served
sooner, and in a fairer order, than threads that poll for the write lock, each over a connection of its own."""


def _durable(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def create() -> Flask:
    """The application; BENCH_DATABASE_URL, BENCH_PUBLIC_URL and BENCH_AUTH_TOKEN configure it."""
    app = Flask(__name__)
    pool: dict[str, Any] = ONE_CONNECTION if os.environ.get("BENCH_ONE_CONNECTION") == "1" else {}
    engine = create_engine(os.environ["BENCH_DATABASE_URL"], connect_args={"timeout": 30}, **pool)
    event.listen(engine, "connect", _durable)
    MESSAGE.metadata.create_all(engine)
    engine.dispose()
    url = os.environ["BENCH_PUBLIC_URL"] + PATH
    validator = RequestValidator(os.environ["BENCH_AUTH_TOKEN"])
    statement = MESSAGE.insert()

    @app.post(PATH)
    def message() -> Response:
        form = request.form
        if not validator.validate(url, form, request.headers.get("X-Twilio-Signature", "")):
            abort(403)
        row = {
            "provider_id": form["MessageSid"],
            "sender": form["From"],
            "recipient": form["To"],
            "text": form["Body"],
            "received_at": datetime.now(UTC).replace(tzinfo=None),
        }
        try:
            with engine.begin() as connection:
                connection.execute(statement, row)
        except IntegrityError:
            pass  # a repeated delivery: stored already
        return Response("<Response/>", content_type="text/xml")

    return app
