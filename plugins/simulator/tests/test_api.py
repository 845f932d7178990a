from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hub_simulator.messages import Message
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator
from twilio.base.exceptions import TwilioRestException

PERSON = "+15550000002"
SERVICE = "MG" + "5" * 32
KEY = "SK" + "7" * 32


def of_api(messages: list[Message], status: str) -> list[Message]:
    return [m for m in messages if m.origin == "api" and m.status == status]


def test_a_created_message_has_twilios_shape_and_strings(twilio: RunningSimulator) -> None:
    twilio.behave(callbacks={"delay": 60})
    answer = post(twilio, {"To": PERSON, "From": twilio.number, "Body": "hello ’"})
    assert answer.status_code == 201
    created = answer.json()
    assert created["sid"].startswith("SM")
    assert len(created["sid"]) == 34
    assert (created["num_segments"], created["num_media"], created["error_code"]) == ("1", "0", None)
    assert (created["status"], created["direction"], created["date_sent"]) == ("queued", "outbound-api", None)
    assert datetime.strptime(created["date_created"], "%a, %d %b %Y %H:%M:%S %z")
    assert created["uri"] == f"/2010-04-01/Accounts/{twilio.account_sid}/Messages/{created['sid']}.json"
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")


def test_the_sdk_creates_fetches_redacts_and_deletes(twilio: RunningSimulator) -> None:
    client = twilio.client()
    sid = client.messages.create(to=PERSON, from_=twilio.number, body="secret").sid
    twilio.wait_for(lambda messages: of_api(messages, "delivered"))
    fetched = client.messages(sid).fetch()
    assert (fetched.body, fetched.status, fetched.num_segments) == ("secret", "delivered", "1")
    assert fetched.date_sent is not None
    assert client.messages(sid).update(body="").body == ""
    assert client.messages(sid).delete()
    with pytest.raises(TwilioRestException) as gone:
        client.messages(sid).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)


def test_a_message_on_its_way_cannot_be_deleted(twilio: RunningSimulator) -> None:
    twilio.behave(callbacks={"delay": 60})
    message = twilio.client().messages.create(to=PERSON, from_=twilio.number, body="x")
    with pytest.raises(TwilioRestException) as refused:
        message.delete()
    assert (refused.value.status, refused.value.code) == (409, 20009)


def test_lists_are_newest_first_and_filtered(twilio: RunningSimulator) -> None:
    client = twilio.client()
    twilio.text(PERSON, body="from the person")
    for to, body in [(PERSON, "one"), ("+15550000003", "two"), (PERSON, "three")]:
        client.messages.create(to=to, from_=twilio.number, body=body)
    assert [m.body for m in client.messages.list(limit=20)] == ["three", "two", "one", "from the person"]
    assert [m.body for m in client.messages.list(to=PERSON, from_=twilio.number, limit=20)] == ["three", "one"]
    now = datetime.now(UTC)
    assert len(client.messages.list(date_sent_after=now - timedelta(minutes=1), limit=20)) == 4
    assert client.messages.list(date_sent_after=now + timedelta(minutes=1), limit=20) == []
    assert client.messages.list(date_sent_before=now - timedelta(minutes=1), limit=20) == []
    assert len(client.messages.list(date_sent=now.date(), limit=20)) == 4


def test_paging_follows_the_uris_while_new_messages_arrive(twilio: RunningSimulator) -> None:
    client = twilio.client()
    for index in range(5):
        client.messages.create(to=PERSON, from_=twilio.number, body=str(index))
    first = get(twilio, ".json?PageSize=2").json()
    assert [m["body"] for m in first["messages"]] == ["4", "3"]
    assert (first["page"], first["page_size"], first["start"], first["end"]) == (0, 2, 0, 1)
    client.messages.create(to=PERSON, from_=twilio.number, body="new")
    second = requests.get(twilio.url + first["next_page_uri"], auth=auth(twilio), timeout=5).json()
    assert [m["body"] for m in second["messages"]] == ["2", "1"]
    back = requests.get(twilio.url + second["previous_page_uri"], auth=auth(twilio), timeout=5).json()
    assert [m["body"] for m in back["messages"]] == ["4", "3"]
    last = requests.get(twilio.url + second["next_page_uri"], auth=auth(twilio), timeout=5).json()
    assert [m["body"] for m in last["messages"]] == ["0"]
    assert last["next_page_uri"] is None
    assert [m.body for m in client.messages.list(page_size=2)] == ["new", "4", "3", "2", "1", "0"]


@pytest.mark.parametrize("query", ["PageSize=x", "Page=-1", "DateSent=yesterday", "PageToken=PASMunknown"])
def test_a_list_refuses_what_it_cannot_read(twilio: RunningSimulator, query: str) -> None:
    assert get(twilio, f".json?{query}").status_code in (400, 404)


def test_a_service_chooses_the_sender_the_person_knows(hub: Receiver) -> None:
    numbers = ("+15550000001", "+15550000009")
    with RunningSimulator(numbers=numbers, services={SERVICE: numbers}, message_url=hub.url + "/message") as twilio:
        twilio.behave(callbacks={"delay": 0})
        twilio.text(PERSON, "+15550000009", "hi")
        assert hub.at("/message")[0].form["MessagingServiceSid"] == SERVICE
        callback = hub.url + "/status"
        created = post(twilio, {"To": PERSON, "MessagingServiceSid": SERVICE, "Body": "x", "StatusCallback": callback})
        assert (created.json()["status"], created.json()["from"], created.json()["num_segments"]) == (
            "accepted",
            None,
            "0",
        )
        done = twilio.wait_for(lambda messages: of_api(messages, "delivered"))
        assert done[0].from_ == "+15550000009"
        statuses = [request.form["MessageStatus"] for request in hub.wait("/status", 4)]
        assert statuses == ["queued", "sending", "sent", "delivered"]


def test_a_scheduled_message_waits_and_can_be_canceled(hub: Receiver) -> None:
    with RunningSimulator(services={SERVICE: ("+15550000001",)}) as twilio:
        scheduled = twilio.client().messages.create(
            to=PERSON,
            messaging_service_sid=SERVICE,
            body="later",
            schedule_type="fixed",
            send_at=datetime.now(UTC) + timedelta(hours=1),
            status_callback=hub.url + "/status",
        )
        assert scheduled.status == "scheduled"
        assert scheduled.update(status="canceled").status == "canceled"
        assert hub.wait("/status", 1)[0].form["MessageStatus"] == "canceled"


def test_feedback_is_taken(twilio: RunningSimulator) -> None:
    message = twilio.client().messages.create(to=PERSON, from_=twilio.number, body="x")
    assert message.feedback.create(outcome="confirmed").outcome == "confirmed"


@pytest.mark.parametrize("credentials", [("AC" + "f" * 32, "x"), None, (KEY, "wrong")])
def test_wrong_credentials_are_20003(twilio: RunningSimulator, credentials: Any) -> None:
    answer = requests.get(f"{twilio.url}{base(twilio)}.json", auth=credentials, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert answer.json()["more_info"].endswith("/20003")


def test_an_api_key_opens_the_account() -> None:
    with RunningSimulator(api_keys={KEY: "key secret"}) as twilio:
        assert requests.get(f"{twilio.url}{base(twilio)}.json", auth=(KEY, "key secret"), timeout=5).status_code == 200


def test_unknown_things_wrong_methods_and_wrong_types(twilio: RunningSimulator) -> None:
    other = base(twilio).replace(twilio.account_sid, "AC" + "e" * 32)
    assert requests.get(f"{twilio.url}{other}.json", auth=auth(twilio), timeout=5).json()["code"] == 20404
    assert get(twilio, "/SM" + "0" * 32 + ".json").json()["code"] == 20404
    assert requests.put(f"{twilio.url}{base(twilio)}.json", auth=auth(twilio), timeout=5).json()["code"] == 20004
    json_body = requests.post(f"{twilio.url}{base(twilio)}.json", json={"To": PERSON}, auth=auth(twilio), timeout=5)
    assert json_body.status_code == 415


def auth(twilio: RunningSimulator) -> tuple[str, str]:
    return twilio.account_sid, twilio.auth_token


def base(twilio: RunningSimulator) -> str:
    return f"/2010-04-01/Accounts/{twilio.account_sid}/Messages"


def post(twilio: RunningSimulator, form: dict[str, Any]) -> requests.Response:
    return requests.post(f"{twilio.url}{base(twilio)}.json", data=form, auth=auth(twilio), timeout=5)


def get(twilio: RunningSimulator, rest: str) -> requests.Response:
    return requests.get(f"{twilio.url}{base(twilio)}{rest}", auth=auth(twilio), timeout=5)
