"""The control API, the event stream and the page."""

import base64
import json
from typing import Any

import pytest
import requests
from hub_simulator.messages import Message, Store, now
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator
from twilio.base.exceptions import TwilioRestException
from werkzeug.wrappers import Response

PERSON = "+15550000002"


def post(twilio: RunningSimulator, **document: Any) -> requests.Response:
    return requests.post(f"{twilio.url}/simulator/texts", json=document, timeout=5)


def test_a_script_can_text_and_learns_what_the_hub_answered(twilio: RunningSimulator, hub: Receiver) -> None:
    picture = {"content_type": "image/png", "base64": base64.b64encode(b"png").decode()}
    sid = "MM" + "a" * 32
    answer = post(twilio, **{"from": PERSON}, to=twilio.number, body="hello", media=[picture], sid=sid)
    assert answer.status_code == 201
    assert (answer.json()["sid"], answer.json()["status"]) == (sid, "received")
    assert [attempt["status"] for attempt in answer.json()["attempts"]] == [200]
    assert twilio.messages()[0].media[0].data == b"png"


def test_the_page_uploads_files(twilio: RunningSimulator, hub: Receiver) -> None:
    form = {"from": PERSON, "to": twilio.number, "body": "", "wait": "false"}
    files = [("media", ("a.png", b"one", "image/png")), ("media", ("b.pdf", b"two", "application/pdf"))]
    assert requests.post(f"{twilio.url}/simulator/texts", data=form, files=files, timeout=5).status_code == 201
    assert hub.wait("/message")[0].form["NumMedia"] == "2"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"from": "me"}, "from"),
        ({"to": "+15559999999"}, "to"),
        ({"body": ""}, "body"),
        ({"body": "a" * 1601}, "body"),
        ({"body": 1}, "body"),
        ({"color": "red"}, "color"),
        ({"sid": "SM1"}, "sid"),
        ({"media": [{"content_type": "image/png", "base64": "*"}]}, "media"),
        ({"media": [{"content_type": "x", "base64": ""}]}, "media.0.content_type"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_with_a_reason(
    twilio: RunningSimulator, changes: dict[str, Any], key: str
) -> None:
    answer = post(twilio, **({"from": PERSON, "to": twilio.number, "body": "x"} | changes))
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{key}:")


def test_broken_json_other_types_and_other_sites_are_refused(twilio: RunningSimulator) -> None:
    url = f"{twilio.url}/simulator/texts"
    json_type = {"Content-Type": "application/json"}
    assert requests.post(url, data="{", headers=json_type, timeout=5).status_code == 400
    assert requests.post(url, data="[]", headers=json_type, timeout=5).status_code == 400
    assert requests.post(url, data="x=1", timeout=5).status_code == 415
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert requests.post(url, json={}, headers=elsewhere, timeout=5).status_code == 403


def test_messages_are_filtered_and_continued(twilio: RunningSimulator, hub: Receiver) -> None:
    def get(query: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = requests.get(f"{twilio.url}/simulator/messages?{query}", timeout=5).json()[
            "messages"
        ]
        return messages

    hub.answer("/message", Response("", 500))
    twilio.text(PERSON, body="one ’")
    twilio.text("+15550000003", "+15550000009", "two")
    assert [m["body"] for m in get("")] == ["one ’", "two"]
    assert [m["body"] for m in get("person=%2B15550000003")] == ["two"]
    [first] = get("number=%2B15550000001")
    assert (first["segments"], first["encoding"], first["person"]) == (1, "UCS-2", PERSON)
    assert first["attempts"][0]["code"] == 11200
    assert first["attempts"][0]["explanation"].startswith("The webhook answered with an error")
    assert [m["body"] for m in get(f"after={first['seq']}")] == ["two"]


def test_the_numbers_can_be_pointed_elsewhere(twilio: RunningSimulator, hub: Receiver) -> None:
    url = f"{twilio.url}/simulator/numbers"
    put = requests.put(f"{url}/{twilio.number}", json={"message_url": hub.url + "/new"}, timeout=5)
    assert put.json()["message_url"] == hub.url + "/new"
    assert [line["number"] for line in requests.get(url, timeout=5).json()["numbers"]] == [
        "+15550000001",
        "+15550000009",
    ]
    twilio.text(PERSON, body="hello")
    assert len(hub.at("/new")) == 1
    assert requests.put(f"{url}/+1", json={}, timeout=5).status_code == 404


def test_the_debugger_explains(twilio: RunningSimulator, hub: Receiver) -> None:
    hub.answer("/message", Response("", 500))
    sid = twilio.text(PERSON, body="hello").sid
    [alert] = requests.get(f"{twilio.url}/simulator/debugger", timeout=5).json()["alerts"]
    assert (alert["code"], alert["sid"], alert["detail"]) == (11200, sid, hub.url + "/message")


def test_events_bring_each_change(twilio: RunningSimulator) -> None:
    with requests.get(f"{twilio.url}/simulator/events", stream=True, timeout=5) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert next(lines) == "retry: 1000"
        twilio.text(PERSON, body="hello")
        data = [json.loads(line[6:]) for line in (next(lines) for _ in range(6)) if line.startswith("data: ")]
    assert [len(message["attempts"]) for message in data] == [0, 1]


def test_the_page_runs_only_its_own_files(twilio: RunningSimulator) -> None:
    page = requests.get(twilio.url, timeout=5)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert twilio.number in page.text
    assert "http://" not in page.text.replace(twilio.url, "")
    for name in ("phones.js", "phones.css", "icon.svg"):
        assert f"/static/{name}" in page.text
        assert requests.get(f"{twilio.url}/static/{name}", timeout=5).status_code == 200


def test_memory_is_bounded() -> None:
    with RunningSimulator(max_messages=3, max_media_bytes=10) as twilio:
        for index in range(5):
            twilio.text(PERSON, body=str(index), media=[("image/png", b"12345")])
        assert [m.body for m in twilio.messages()] == ["2", "3", "4"]
        assert [len(m.media) for m in twilio.messages()] == [0, 1, 1]


def test_a_slow_reader_is_let_go() -> None:
    store = Store(max_messages=5000, max_media_bytes=0)
    reader = store.subscribe()
    for index in range(1100):
        store.add(Message(f"SM{index}", "inbound", "person", PERSON, "+1", "x", "received", now(), now()))
    assert list(reader.queue)[-1] is None


def test_waiting_in_vain_shows_what_there_was(twilio: RunningSimulator) -> None:
    twilio.text(PERSON, body="hello")
    with pytest.raises(TimeoutError, match=r"inbound .* received: 'hello'"):
        twilio.wait_for(lambda messages: len(messages) > 5, timeout=0.01)


def test_the_sdk_client_of_the_test_kit_reports_errors(twilio: RunningSimulator) -> None:
    with pytest.raises(TwilioRestException) as refused:
        twilio.client().messages.create(to="nobody", from_=twilio.number, body="x")
    assert refused.value.code == 21211
