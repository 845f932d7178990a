"""The plugin in a running hub, with the simulated provider and an assistant that notes what it gets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub_simulator.messages import Message
from hub_simulator.testing import RunningSimulator

from hub import HttpClient
from hub.testing import RunningHub

NUMBER, PERSON = "+15550000001", "+15550000002"


@dataclass
class Site:
    hub: RunningHub
    twilio: RunningSimulator
    notes: Path

    def text(self, body: str, *media: tuple[str, bytes]) -> Message:
        """The answer to a text."""
        before = len(self.twilio.messages(to=PERSON))
        self.twilio.text(PERSON, body=body, media=media)
        (answer,) = self.twilio.wait_for(lambda found: [each for each in found if each.to == PERSON][before:], 30)
        return answer

    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    def listed(self) -> Any:
        return self.requests()[-1]["context"]["skills"]["main skill"]["user_defined"].get("attachments")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    here = Path(__file__).parent / "assistant"
    environment = {
        "HUB_PLUGINS": "twilio,attachments,noting",
        "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]),
    }
    notes = tmp_path / "notes"
    with RunningSimulator(numbers=(NUMBER,)) as twilio, RunningHub(tmp_path, environment) as hub:
        hub.apply(
            {
                "assistant": {
                    "test": {
                        "plugin": "noting",
                        "settings": {"file": str(notes)},
                        "attachments": {"max_picture_bytes": 300_000, "reject_message": "Pictures and PDFs, please."},
                    }
                },
                "integration": {
                    "test-sms": {
                        "channel": "sms_twilio",
                        "assistant": "test",
                        "settings": {
                            "account_sid": twilio.account_sid,
                            "auth_tokens": [twilio.auth_token],
                            "phone_numbers": [NUMBER],
                            "base_url": twilio.url,
                            "failure_message": "F!",
                        },
                    }
                },
            }
        )
        twilio.configure(message_url=f"{hub.url}/webhooks/test-sms/message")
        yield Site(hub, twilio, notes)


def test_files_of_a_person(site: Site, make: Any) -> None:
    photo = make.saved(make.corners(), "JPEG", exif=make.gps(6))
    invoice = make.pdf("Invoice 4711")
    site.text("look", ("image/jpeg", photo), ("application/pdf", invoice), ("text/html", b"<html><body>page"))
    (request,) = site.requests()
    assert [file["media_type"] for file in request["input"]["attachments"]] == ["image/jpeg", "application/pdf"]
    http = HttpClient(allow_private=True)
    picture, document = (http.request("GET", file["url"]).body for file in request["input"]["attachments"])
    image = make.opened(picture)
    assert image.size == (24, 40)
    assert not image.getexif()
    assert b"Secret Phones" not in picture
    assert document == invoice
    listed = site.listed()
    assert [entry.get("text") for entry in listed] == [None, "Invoice 4711", None]
    assert [entry.get("rejected") for entry in listed] == [None, None, "type"]
    assert len(site.hub.events("attachment_rejected")) == 1

    site.text("thanks")
    assert site.listed() == []
    assert "attachments" not in site.requests()[-1]["input"]

    assert site.text("", ("text/html", b"<html><body>page")).body == "Pictures and PDFs, please."
    assert len(site.requests()) == 2
    assert site.hub.events("hook_failed") == []


def test_a_picture_of_an_answer(site: Site, make: Any, web: Any) -> None:
    site.text(web.put("/large.webp", make.saved(make.noise(900, 900), "WEBP", lossless=True)))
    (sent,) = site.twilio.wait_for(lambda found: found[-1].media, 30)  # the provider fetches it when it sends
    assert sent.content_type == "image/jpeg"
    assert len(sent.data) <= 300_000
    assert make.opened(sent.data).format == "JPEG"
    assert site.hub.events("hook_failed") == []
