"""What happens to messages after they were taken: statuses, callbacks, media."""

from typing import Any

import pytest
from hub_simulator import delivery
from hub_simulator.messages import Message
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator
from twilio.request_validator import RequestValidator
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

PERSON = "+15550000002"


def send(twilio: RunningSimulator, **more: Any) -> str:
    return str(twilio.client().messages.create(**{"to": PERSON, "from_": twilio.number, "body": "x", **more}).sid)


def ended(twilio: RunningSimulator, sid: str) -> Message:
    ends = ("delivered", "undelivered", "failed")
    return twilio.wait_for(lambda messages: [m for m in messages if m.sid == sid and m.status in ends])[0]


def statuses(hub: Receiver, count: int) -> list[str]:
    return [request.form["MessageStatus"] for request in hub.wait("/status", count)]


def test_each_status_is_told_once_in_order_and_signed(twilio: RunningSimulator, hub: Receiver) -> None:
    sid = send(twilio, status_callback=hub.url + "/status?m=1#rc=2")
    assert statuses(hub, 3) == ["sending", "sent", "delivered"]
    last = hub.at("/status")[-1]
    assert last.form.pop("RawDlrDoneDate").isdecimal()
    assert last.form == {
        "ApiVersion": "2010-04-01",
        "AccountSid": twilio.account_sid,
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": "delivered",
        "SmsStatus": "delivered",
        "To": PERSON,
        "From": twilio.number,
    }
    first = hub.at("/status")[0]
    validator = RequestValidator(twilio.auth_token)
    assert validator.validate(hub.url + "/status?m=1", first.form, first.headers["X-Twilio-Signature"])


def test_callbacks_can_come_in_disorder(twilio: RunningSimulator, hub: Receiver) -> None:
    twilio.behave(callbacks={"delay": 0, "disorder": True})
    send(twilio, status_callback=hub.url + "/status")
    assert statuses(hub, 3) == ["delivered", "sent", "sending"]


def test_callbacks_can_come_twice(twilio: RunningSimulator, hub: Receiver) -> None:
    twilio.behave(callbacks={"delay": 0, "duplicates": 1})
    send(twilio, status_callback=hub.url + "/status")
    assert statuses(hub, 6) == ["sending", "sending", "sent", "sent", "delivered", "delivered"]


def test_callbacks_can_be_lost(twilio: RunningSimulator, hub: Receiver) -> None:
    twilio.behave(callbacks={"delay": 0, "loss": 1})
    ended(twilio, send(twilio, status_callback=hub.url + "/status"))
    assert hub.at("/status") == []


def test_chosen_messages_end_badly(twilio: RunningSimulator, hub: Receiver) -> None:
    final = [
        {"match": {"body_contains": "gone"}, "status": "undelivered", "code": 30003},
        {"match": {"to": PERSON}, "times": 1, "status": "failed"},
    ]
    twilio.behave(callbacks={"delay": 0, "final": final})
    sid = send(twilio, body="gone away", status_callback=hub.url + "/status")
    assert statuses(hub, 3) == ["sending", "sent", "undelivered"]
    assert hub.at("/status")[-1].form["ErrorCode"] == "30003"
    assert twilio.client().messages(sid).fetch().error_code == 30003
    assert ended(twilio, send(twilio)).error_code == 30008
    assert ended(twilio, send(twilio)).status == "delivered"


def test_a_failing_callback_is_in_the_debugger(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.answer("/status", Response("", 500))
    sid = send(twilio, status_callback=hub.url + "/status")
    hub.wait("/status", 3)
    done = twilio.wait_for(lambda messages: [m for m in messages if len(m.attempts) == 3])[0]
    assert [attempt.kind for attempt in done.attempts] == ["status"] * 3
    assert {alert.sid for alert in twilio.debugger} == {sid}


def test_media_are_fetched_with_head_and_get_through_redirects(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.answer("/link", redirect("/p.png"))
    hub.answer("/p.png", Response(b"picture", mimetype="image/png"))
    sid = send(twilio, media_url=[hub.url + "/link", hub.url + "/p.png"])
    message = ended(twilio, sid)
    assert sid.startswith("MM")
    assert (message.status, message.num_media) == ("delivered", 2)
    assert [(m.content_type, m.data) for m in message.media] == [("image/png", b"picture")] * 2
    assert [request.method for request in hub.at("/p.png")] == ["HEAD", "GET"] * 2
    assert [m.content_type for m in twilio.client().messages(sid).media.list(limit=5)] == ["image/png"] * 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response("", 404), 63019),
        (Response(b"x", mimetype="application/x-unknown"), 12300),
        (Response(b"x", mimetype="image/webp"), 12300),
        (Response(b"x" * 1001, mimetype="image/png"), 11751),
    ],
)
def test_media_that_cannot_be_had_are_not_delivered(
    twilio: RunningSimulator, hub: Receiver, monkeypatch: pytest.MonkeyPatch, answer: Response, code: int
) -> None:
    monkeypatch.setattr(delivery, "MEDIA_LIMIT", 1000)
    sid = send(twilio, media_url=[hub.answer("/p.png", answer)], status_callback=hub.url + "/status")
    assert (ended(twilio, sid).status, ended(twilio, sid).error_code) == ("undelivered", code)
    assert statuses(hub, 2) == ["sending", "undelivered"]
    assert [alert.code for alert in twilio.debugger] == [code]


def test_media_are_counted_together(twilio: RunningSimulator, hub: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MEDIA_LIMIT", 1000)
    half = hub.answer("/half.png", Response(b"x" * 500, mimetype="image/png"))
    one = hub.answer("/one.png", Response(b"x", mimetype="image/png"))
    assert ended(twilio, send(twilio, media_url=[half, half])).status == "delivered"
    assert ended(twilio, send(twilio, media_url=[half, half, one])).error_code == 11751


@pytest.mark.parametrize(
    ("media_type", "size", "end", "code"),
    [
        ("application/pdf", 500_000, "delivered", None),
        ("application/pdf", 500_001, "undelivered", 30019),
        ("image/jpeg", 500_001, "delivered", None),
    ],
)
def test_a_carrier_refuses_what_is_too_large_for_it(
    twilio: RunningSimulator, hub: Receiver, media_type: str, size: int, end: str, code: int | None
) -> None:
    url = hub.answer("/file", Response(b"x" * size, mimetype=media_type))
    message = ended(twilio, send(twilio, media_url=[url], status_callback=hub.url + "/status"))
    assert (message.status, message.error_code) == (end, code)
    assert statuses(hub, 3) == ["sending", "sent", end]
