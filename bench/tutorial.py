"""What the hub's turns are measured against: the chatbot of the usual tutorial.

The webhook checks the signature with the SDK, asks the assistant, sends the answer with the SDK and then answers
Twilio. Nothing is kept, nothing is retried, and a crash loses what was in progress. Where a tutorial would do worse
than it must (a new client per message, a pool smaller than the threads), this one does not.
"""

from __future__ import annotations

import os
from typing import Any

import requests
from flask import Flask, Response, abort, request
from requests.adapters import HTTPAdapter
from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from bench.sms import PATH

THREADS = 64


class _ToDouble(TwilioHttpClient):  # type: ignore[misc]
    """Sends what is meant for Twilio to the double."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url
        self.session.mount("http://", HTTPAdapter(pool_maxsize=THREADS))

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return super().request(method, url.replace("https://api.twilio.com", self._base_url, 1), *args, **kwargs)


def create() -> Flask:
    """The application; BENCH_PUBLIC_URL, BENCH_AUTH_TOKEN, BENCH_ACCOUNT_SID, BENCH_DOUBLE_URL configure it."""
    app = Flask(__name__)
    token, double = os.environ["BENCH_AUTH_TOKEN"], os.environ["BENCH_DOUBLE_URL"]
    url = os.environ["BENCH_PUBLIC_URL"] + PATH
    assistant = f"{double}/assistant?delay_ms={os.environ.get('BENCH_DELAY_MS', '0')}"
    validator = RequestValidator(token)
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=THREADS))
    client = Client(os.environ["BENCH_ACCOUNT_SID"], token, http_client=_ToDouble(double))

    @app.post(PATH)
    def message() -> Response:
        form = request.form
        if not validator.validate(url, form, request.headers.get("X-Twilio-Signature", "")):
            abort(403)
        question: dict[str, Any] = {"input": {"message_type": "text", "text": form["Body"]}, "user_id": form["From"]}
        answer = session.post(assistant, json=question, timeout=60).json()
        for part in answer["output"]["generic"]:
            client.messages.create(to=form["From"], from_=form["To"], body=part["text"])
        return Response("<Response/>", content_type="text/xml")

    return app
