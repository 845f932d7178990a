"""Inbound texts: what the webhook is sent, and what its answer leads to."""

from typing import Any

import pytest
from hub_simulator.httpd import Httpd
from hub_simulator.messages import Message
from hub_simulator.receiver import Received, Receiver
from hub_simulator.testing import RunningSimulator
from twilio.request_validator import HMAC_SHA256, RequestValidator
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

PERSON = "+15550000002"
ERROR = Response("", 500)
TEXT = "text/xml"


def replies(messages: list[Message]) -> list[Message]:
    return [m for m in messages if m.origin == "twiml"]


def codes(message: Message) -> list[int | None]:
    return [attempt.code for attempt in message.attempts]


def break_connection(request: Request) -> Response:
    raise ConnectionResetError


def genuine(url: str, received: Received, secret: str, algorithm: str | None = None) -> bool:
    signature = received.headers["X-Twilio-Signature"]
    return bool(RequestValidator(secret).validate(url, received.form, signature, algorithm))


def test_the_webhook_gets_every_field_of_a_text(twilio: RunningSimulator, hub: Receiver) -> None:
    message = twilio.text(PERSON, body=" Grüße\r\n👍 ")
    [received] = hub.at("/message")
    assert received.form == {
        **{f"{end}{part}": "" for end in ("From", "To") for part in ("City", "State", "Zip", "Country")},
        "ApiVersion": "2010-04-01",
        "AccountSid": twilio.account_sid,
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsMessageSid": message.sid,
        "SmsStatus": "received",
        "From": PERSON,
        "To": twilio.number,
        "Body": " Grüße\r\n👍 ",
        "NumSegments": "1",
        "NumMedia": "0",
    }
    assert [(attempt.status, attempt.code) for attempt in message.attempts] == [(200, None)]


@pytest.mark.parametrize("rest", ["", "?x=1&x=%C3%A9", "?a=%7E%2f%2F", "?"])
def test_requests_are_signed_over_the_url_byte_for_byte(twilio: RunningSimulator, hub: Receiver, rest: str) -> None:
    twilio.configure(message_url=f"{hub.url}/message{rest}#rc=2")
    twilio.text(PERSON, body="hello")
    [received] = hub.at("/message")
    assert received.target == f"/message{rest}"
    # the SDK drops a bare question mark before it compares
    signature = RequestValidator(twilio.auth_token).compute_signature(f"{hub.url}/message{rest}", received.form)
    assert received.headers["X-Twilio-Signature"] == signature


def test_signatures_can_use_a_shared_key_or_be_forged(twilio: RunningSimulator, hub: Receiver) -> None:
    url = hub.url + "/message"
    twilio.behave(signature={"algorithm": "sha256", "key": "webhooks_sharedkey_1", "secret": "shared"})
    twilio.text(PERSON, body="hello")
    twilio.behave(signature={"valid": False})
    twilio.text(PERSON, body="hello")
    shared, forged = hub.at("/message")
    settings = shared.headers["X-Twilio-Webhooks-Signature-Settings"]
    assert settings == "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    assert genuine(url, shared, "shared", HMAC_SHA256)
    assert not genuine(url, forged, twilio.auth_token)


def test_with_get_everything_is_in_the_url(twilio: RunningSimulator, hub: Receiver) -> None:
    twilio.configure(method="GET", message_url=hub.url + "/message?x=1")
    twilio.text(PERSON, body="hello")
    [received] = hub.at("/message")
    assert received.method == "GET"
    assert "&Body=hello" in received.target
    signature = RequestValidator(twilio.auth_token).compute_signature(hub.url + received.target, {})
    assert received.headers["X-Twilio-Signature"] == signature


def test_replies_of_twiml_are_sent_with_their_attributes(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.answer("/p.png", Response(b"png", mimetype="image/png"))
    hub.twiml(
        "/message",
        '<Message statusCallback="/status">one</Message>'
        "<Message><Body>tw</Body><Body>o</Body><Media>/p.png</Media></Message>"
        '<Message to="+15550000003" from="+15550000009">three</Message>',
    )
    twilio.text(PERSON, body="hello")
    done = twilio.wait_for(lambda messages: [m for m in replies(messages) if m.status == "delivered"][2:] and messages)
    one, two, three = replies(done)
    assert (one.to, one.from_, one.direction) == (PERSON, twilio.number, "outbound-reply")
    assert (two.body, two.media[0].data, two.sid[:2]) == ("two", b"png", "MM")
    assert (three.to, three.from_) == ("+15550000003", "+15550000009")
    assert [request.form["MessageStatus"] for request in hub.wait("/status", 3)] == ["sending", "sent", "delivered"]


def test_redirect_and_action_go_on_elsewhere(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.twiml("/message", "<Redirect>/next</Redirect><Message>never</Message>")
    hub.twiml("/next", '<Message action="/after">one</Message><Message>never</Message>')
    hub.twiml("/after", "<Message>two</Message>")
    message = twilio.text(PERSON, body="hello")
    assert [m.body for m in replies(twilio.messages())] == ["one", "two"]
    assert [attempt.kind for attempt in message.attempts] == ["message", "redirect", "action"]
    assert hub.at("/next")[0].form["Body"] == "hello"
    [asked] = [request.form for request in hub.at("/after") if "Body" in request.form]  # others are status callbacks
    assert asked["MessageStatus"] == "queued"


def test_plain_text_is_sent_to_the_person(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.answer("/message", Response("OK", mimetype="text/plain"))
    twilio.text(PERSON, body="hello")
    assert [m.body for m in replies(twilio.messages())] == ["OK"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ERROR, 11200),
        (Response("", 404), 11200),
        (break_connection, 11200),
        (Response("OK", content_type="application/octet-stream"), 12300),
        (Response("OK", mimetype="text/html"), 12100),
        (Response("{}", mimetype="application/json"), 12300),
        (Response("<Answer/>", mimetype=TEXT), 12200),
        (Response("<Response><Say>x</Say></Response>", mimetype=TEXT), 14110),
        (Response("<Response><Message/></Response>", mimetype=TEXT), 14103),
        (Response("<Response><Message method='PUT'>x</Message></Response>", mimetype=TEXT), 14104),
        (Response("<Response>" + "<Message>x</Message>" * 11 + "</Response>", mimetype=TEXT), 14109),
        (Response("<Response>" + " " * 70_000 + "</Response>", mimetype=TEXT), 11750),
        (redirect("/message"), 11215),
    ],
)
def test_an_unusable_answer_is_in_the_debugger_and_asks_the_fallback(
    twilio: RunningSimulator, hub: Receiver, answer: Any, code: int
) -> None:
    hub.answer("/message", answer)
    twilio.configure(fallback_url=hub.twiml("/fallback", "<Message>sorry</Message>"))
    message = twilio.text(PERSON, body="hello")
    assert [alert.code for alert in twilio.debugger] == [code]
    [fallback] = hub.at("/fallback")
    assert (fallback.form["ErrorCode"], fallback.form["ErrorUrl"]) == (str(code), hub.url + "/message")
    assert [m.body for m in replies(twilio.messages())] == ["sorry"]
    assert message.attempts[-1].kind == "fallback"


@pytest.mark.parametrize(
    ("verbs", "code"),
    [('<Message to="x">a</Message>', 14101), ('<Message from="+15559999999">a</Message>', 14102)],
)
def test_a_refused_reply_does_not_stop_the_others(
    twilio: RunningSimulator, hub: Receiver, verbs: str, code: int
) -> None:
    hub.twiml("/message", verbs + "<Message>b</Message>")
    twilio.text(PERSON, body="hello")
    assert [alert.code for alert in twilio.debugger] == [code]
    assert [m.body for m in replies(twilio.messages())] == ["b"]


def test_redirect_loops_of_twiml_end(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.twiml("/message", "<Redirect>/message</Redirect>")
    assert len(twilio.text(PERSON, body="hello").attempts) == 10


@pytest.mark.parametrize(("status", "method"), [(301, "POST"), (307, "POST"), (303, "GET")])
def test_http_redirects_are_followed_and_signed_anew(
    twilio: RunningSimulator, hub: Receiver, status: int, method: str
) -> None:
    hub.answer("/message", redirect("/moved?x=1", status))
    twilio.text(PERSON, body="hello")
    [moved] = hub.at("/moved")
    assert moved.method == method
    assert genuine(hub.url + moved.target, moved, twilio.auth_token)


def test_the_path_of_a_credentialed_url_is_asked_twice(twilio: RunningSimulator, hub: Receiver) -> None:
    challenge = Response("", 401, {"WWW-Authenticate": 'Basic realm="hub"'})
    hub.answer("/message", challenge, Response("<Response/>", mimetype=TEXT))
    twilio.configure(message_url=hub.url.replace("//", "//user:p%40ss@") + "/message")
    twilio.text(PERSON, body="hello")
    first, second = hub.at("/message")
    assert "Authorization" not in first.headers
    assert second.headers["Authorization"] == "Basic dXNlcjpwQHNz"
    assert genuine(hub.url + "/message", second, twilio.auth_token)


@pytest.mark.parametrize(
    ("overrides", "attempts"),
    [
        ("", 1),  # by default only failed connections are repeated
        ("#rc=2&rp=5xx", 3),
        ("#rc=5&rp=4xx", 1),
        ("#rc=1&rp=all", 2),
        ("#rc=0&rp=all", 1),
        ("#rc=9&rp=5xx", 2),  # out of range: the default number
    ],
)
def test_errors_are_repeated_as_the_fragment_says(
    twilio: RunningSimulator, hub: Receiver, overrides: str, attempts: int
) -> None:
    hub.answer("/message", ERROR)
    twilio.configure(message_url=f"{hub.url}/message{overrides}")
    message = twilio.text(PERSON, body="hello")
    assert codes(message) == [11200] * attempts
    received = hub.at("/message")
    assert len({request.headers["I-Twilio-Idempotency-Token"] for request in received}) == 1
    assert {request.form["MessageSid"] for request in received} == {message.sid}


def test_a_repeated_request_can_succeed(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.answer("/message", ERROR, Response("<Response/>", mimetype=TEXT))
    twilio.configure(message_url=f"{hub.url}/message#rc=3&rp=5xx")
    assert codes(twilio.text(PERSON, body="hello")) == [11200, None]
    assert twilio.debugger == []


def test_no_connection_is_tried_twice(twilio: RunningSimulator) -> None:
    gone = Httpd()
    gone.server_close()
    twilio.configure(message_url=gone.url)
    assert codes(twilio.text(PERSON, body="hello")) == [11205, 11205]


def test_an_unknown_host_and_no_url(twilio: RunningSimulator) -> None:
    twilio.configure(message_url="http://nowhere.invalid/#rc=0")
    assert codes(twilio.text(PERSON, body="hello")) == [11210]
    twilio.configure(message_url="ftp://hub.example/")
    assert codes(twilio.text(PERSON, body="hello")) == [11100]


def test_a_slow_answer_is_given_up(twilio: RunningSimulator, hub: Receiver) -> None:
    seen = hub.answer("/message", lambda _: wait_for_the_end(twilio))
    twilio.configure(message_url=seen + "#rt=100&rc=0")
    message = twilio.text(PERSON, body="hello")
    assert codes(message) == [11200]
    assert message.attempts[0].milliseconds < 5000


def wait_for_the_end(twilio: RunningSimulator) -> Response:
    twilio.simulator.scheduler.closing.wait(10)
    return ERROR


def test_the_same_text_can_be_delivered_again(twilio: RunningSimulator, hub: Receiver) -> None:
    message = twilio.text(PERSON, body="hello")
    again = twilio.text(PERSON, body="ignored", sid=message.sid)
    assert again.body == "hello"
    assert [request.form["MessageSid"] for request in hub.at("/message")] == [message.sid] * 2
    assert len(twilio.messages()) == 1
