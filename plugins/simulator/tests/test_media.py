import pytest
import requests
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator

PERSON = "+15550000002"
PICTURE = ("image/png", b"\x89PNG picture")


@pytest.fixture
def url(twilio: RunningSimulator, hub: Receiver) -> str:
    """The address of a picture, as the webhook got it."""
    twilio.text(PERSON, media=[PICTURE, ("text/html", b"<script>")])
    return hub.at("/message")[0].form["MediaUrl0"]


def test_the_webhook_names_the_media(url: str, hub: Receiver) -> None:
    form = hub.at("/message")[0].form
    assert form["MessageSid"].startswith("MM")
    assert (form["NumMedia"], form["MediaContentType0"], form["MediaContentType1"]) == ("2", "image/png", "text/html")
    assert url.rpartition("/")[2].startswith("ME")


def test_a_medium_redirects_to_a_signed_address(url: str) -> None:
    first = requests.get(url, allow_redirects=False, timeout=5)
    assert first.status_code == 302
    place = first.headers["Location"]
    assert "/media-store/" in place
    stored = requests.get(place, timeout=5)
    assert (stored.content, stored.headers["Content-Type"]) == (PICTURE[1], "image/png")
    assert stored.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert requests.get(place[:-1], timeout=5).status_code == 403


def test_credentials_must_not_be_forwarded_to_the_store(url: str, twilio: RunningSimulator) -> None:
    place = requests.get(url, allow_redirects=False, timeout=5).headers["Location"]
    assert requests.get(place, auth=(twilio.account_sid, twilio.auth_token), timeout=5).status_code == 403


def test_media_can_demand_credentials(url: str, twilio: RunningSimulator) -> None:
    twilio.behave(media={"auth": True})
    assert requests.get(url, timeout=5).status_code == 401
    allowed = requests.get(url, auth=(twilio.account_sid, twilio.auth_token), allow_redirects=False, timeout=5)
    assert allowed.status_code == 302


def test_media_can_be_late(url: str, twilio: RunningSimulator) -> None:
    twilio.behave(media={"not_found_times": 2})
    answers = [requests.get(url, allow_redirects=False, timeout=5).status_code for _ in range(3)]
    assert answers == [404, 404, 302]


def test_media_are_listed_fetched_and_deleted(url: str, twilio: RunningSimulator) -> None:
    media = twilio.client().messages(twilio.messages()[0].sid).media
    listed = media.list(limit=10)
    assert [m.content_type for m in listed] == ["image/png", "text/html"]
    assert media(listed[0].sid).fetch().parent_sid == twilio.messages()[0].sid
    assert media(listed[0].sid).delete()
    assert requests.get(url, timeout=5).status_code == 404
