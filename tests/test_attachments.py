"""Files that people send and assistants send: fetched outside the webhook, told by their content, served safely."""

from __future__ import annotations

import os
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import itsdangerous.timed
import pytest
from conftest import NUMBER, TEST_PLUGINS
from doubles import ScriptedAssistant
from hub_demo.picture import sunrise
from hub_simulator.testing import RunningSimulator
from signed import Caller, idle, message_fields

from hub.testing import RunningHub, wait_until
from hub.vault import Vault

PNG = sunrise()
HTML = b"<html><body><script>alert(1)</script></body></html>"
Answer = tuple[int, Mapping[str, str], bytes]


class FileHost:
    """Serves files and keeps what it was asked: ``answers[path]`` makes the answer from the request's headers."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Mapping[str, str]], Answer]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                host.asked.append((self.path, dict(self.headers)))
                status, headers, body = host.answers.get(self.path, lambda _: (404, {}, b""))(self.headers)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self, path: str, body: bytes, kind: str = "application/octet-stream") -> str:
        """Serve `body` at `path`; returns the address."""
        self.answers[path] = lambda _: (200, {"Content-Type": kind}, body)
        return self.url + path

    def headers(self, path: str) -> list[dict[str, str]]:
        """The headers of every request for `path`."""
        return [headers for asked, headers in list(self.asked) if asked == path]


@dataclass
class Site:
    """A hub with three integrations: ``sms`` (simulator), ``demo``, and ``other``, whose provider is `provider`."""

    hub: RunningHub
    twilio: RunningSimulator
    assistant: ScriptedAssistant
    caller: Caller
    provider: FileHost
    elsewhere: FileHost
    people: Iterator[str] = field(default_factory=lambda: (f"+1555000{number}" for number in range(7000, 8000)))

    def request_of(self, person: str) -> dict[str, Any]:
        """The one message request that the assistant got about `person`."""

        def found() -> list[dict[str, Any]]:
            asked = list(self.assistant.requests)
            return [
                each for each in asked if each["context"]["integrations"]["channel"]["private"]["user"]["id"] == person
            ]

        wait_until(found, what="the assistant's turn")
        idle(self.hub)
        (request,) = found()
        return request

    def receive(self, *files: tuple[str, str], body: str = "", integration: str = "sms") -> dict[str, Any]:
        """A signed webhook with files (address, declared type); returns the request the assistant got."""
        person = next(self.people)
        self.post(person, *files, body=body, integration=integration)
        return self.request_of(person)

    def post(self, person: str, *files: tuple[str, str], body: str = "", integration: str = "sms") -> None:
        media = {f"MediaUrl{position}": url for position, (url, _) in enumerate(files)}
        media |= {f"MediaContentType{position}": kind for position, (_, kind) in enumerate(files)}
        fields = message_fields(self.twilio.account_sid, person, body, **media, NumMedia=str(len(files)))
        assert self.caller.post(f"/webhooks/{integration}/message", fields) == 200

    def attachments(self, request: dict[str, Any]) -> list[tuple[str, bytes]]:
        """Type and content of the attachments of a request, fetched as the assistant would."""
        listed = request["input"].get("attachments", [])
        variables = request["context"]["skills"]["main skill"]["user_defined"]["smsMedia"]
        assert [(each["mediaURL"], each["mediaContentType"]) for each in variables] == [
            (each["url"], each["media_type"]) for each in listed
        ]
        return [(each["media_type"], self.fetch(each["url"])[2]) for each in listed]

    def fetch(self, url: str) -> tuple[int, dict[str, str], bytes]:
        assert url.startswith(f"{self.hub.url}/media/")
        return self.caller.get(url.removeprefix(self.hub.url))


def start(stack: ExitStack, folder: Path, environment: dict[str, str]) -> Site:
    twilio = stack.enter_context(RunningSimulator(numbers=(NUMBER,)))
    assistant = stack.enter_context(ScriptedAssistant())
    provider, elsewhere = stack.enter_context(FileHost()), stack.enter_context(FileHost())
    path = os.pathsep.join([str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")])
    plugins = {"HUB_PLUGINS": "twilio,scripted,hooked,demo", "PYTHONPATH": path}
    hub = stack.enter_context(RunningHub(folder, {**plugins, **environment}))
    account = {"account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "phone_numbers": [NUMBER]}
    one = {"channel": "sms_twilio", "assistant": "scripted", "settings": {**account, "base_url": twilio.url}}
    hub.apply(
        {
            "assistant": {
                "scripted": {"plugin": "scripted", "settings": {"url": assistant.url}},
                "demo": {"plugin": "demo"},
            },
            "integration": {
                "sms": one,
                "demo": {**one, "assistant": "demo"},
                "other": {**one, "settings": {**account, "base_url": provider.url}},
            },
        }
    )
    caller = Caller(hub, twilio.auth_token)
    stack.callback(caller.close)
    return Site(hub, twilio, assistant, caller, provider, elsewhere)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield start(stack, tmp_path_factory.mktemp("hub"), {})


@pytest.fixture(autouse=True)
def usual_twilio(site: Site) -> None:
    site.twilio.behave()
    site.twilio.configure(f"{site.hub.url}/webhooks/sms/message")


def test_a_picture_is_fetched_from_twilio_and_handed_to_the_assistant(site: Site) -> None:
    person = next(site.people)
    site.twilio.text(person, body="look", media=[("image/png", PNG)])
    request = site.request_of(person)
    assert request["input"]["text"] == "look"
    assert site.attachments(request) == [("image/png", PNG)]


def test_a_picture_that_twilio_does_not_have_yet_is_asked_for_again(site: Site) -> None:
    site.twilio.behave(media={"not_found_times": 2})
    person = next(site.people)
    site.twilio.text(person, media=[("image/png", PNG)])
    assert site.attachments(site.request_of(person)) == [("image/png", PNG)]


def test_a_twilio_that_wants_basic_auth_for_media_gets_it(site: Site) -> None:
    site.twilio.behave(media={"auth": True})
    person = next(site.people)
    site.twilio.text(person, media=[("image/png", PNG)])
    assert site.attachments(site.request_of(person)) == [("image/png", PNG)]


def test_the_webhook_does_not_wait_for_the_picture(site: Site) -> None:
    asked, gate = threading.Event(), threading.Event()

    def slow(_: Mapping[str, str]) -> Answer:
        asked.set()
        gate.wait(30)
        return 200, {"Content-Type": "image/png"}, PNG

    site.elsewhere.answers["/slow"] = slow
    person = next(site.people)
    try:
        site.post(person, (f"{site.elsewhere.url}/slow", "image/png"))
        assert asked.wait(20)
    finally:
        gate.set()
    assert site.attachments(site.request_of(person)) == [("image/png", PNG)]


def test_credentials_go_to_the_provider_and_not_to_where_it_redirects(site: Site) -> None:
    credentials = b64encode(f"{site.twilio.account_sid}:{site.twilio.auth_token}".encode()).decode()

    def guarded(headers: Mapping[str, str]) -> Answer:
        if headers.get("Authorization") != f"Basic {credentials}":
            return 401, {"WWW-Authenticate": "Basic"}, b""
        return 302, {"Location": f"{site.elsewhere.url}/store"}, b""

    site.provider.answers["/guarded"] = guarded
    site.elsewhere.serve("/store", PNG)
    request = site.receive((f"{site.provider.url}/guarded", "image/png"), integration="other")
    assert site.attachments(request) == [("image/png", PNG)]
    (headers,) = site.elsewhere.headers("/store")
    assert "Authorization" not in headers
    assert "Cookie" not in headers


def test_media_on_another_host_is_fetched_without_credentials(site: Site) -> None:
    request = site.receive((site.elsewhere.serve("/foreign", PNG), "image/png"))
    assert site.attachments(request) == [("image/png", PNG)]
    (headers,) = site.elsewhere.headers("/foreign")
    assert "Authorization" not in headers


def test_a_file_that_is_too_large_is_left_out_and_not_fetched_over_and_over(site: Site) -> None:
    before = len(site.hub.events("attachment_not_fetched"))
    request = site.receive((site.elsewhere.serve("/large", bytes(16_000_001)), "image/png"), body="look")
    assert request["input"]["text"] == "look"
    assert site.attachments(request) == []
    assert len(site.hub.events("attachment_not_fetched")) == before + 1
    assert len(site.elsewhere.headers("/large")) == 1


def test_a_file_that_is_gone_is_left_out_and_the_others_stay(site: Site) -> None:
    site.elsewhere.answers["/gone"] = lambda _: (410, {}, b"")
    gone, there = (f"{site.elsewhere.url}/gone", "image/png"), (site.elsewhere.serve("/there", PNG), "image/png")
    assert site.attachments(site.receive(gone, there)) == [("image/png", PNG)]


@pytest.mark.parametrize(
    ("content", "declared", "told"),
    [
        (PNG, "text/html", "image/png"),
        (b"%PDF-1.4\n1 0 obj\n", "image/jpeg", "application/pdf"),
        (b"hello there", "image/png", "text/plain"),
        (b"BEGIN:VCARD\r\nEND:VCARD", "text/vcard", "text/vcard"),
        (b"\x00\x01\x02\xff\xfe\x80 nobody knows", "image/png", "application/octet-stream"),
    ],
)
def test_the_type_is_told_by_the_content(site: Site, content: bytes, declared: str, told: str) -> None:
    request = site.receive((site.elsewhere.serve(f"/{uuid.uuid4()}", content, declared), declared))
    assert site.attachments(request) == [(told, content)]


def test_a_declared_type_with_a_line_break_in_it_is_not_passed_on(site: Site) -> None:
    request = site.receive((site.elsewhere.serve("/break", b"hello"), "text/plain\r\nX-Evil: 1"))
    (attachment,) = request["input"]["attachments"]
    assert attachment["media_type"] == "text/plain"
    status, headers, body = site.fetch(attachment["url"])
    assert (status, body) == (200, b"hello")
    assert "x-evil" not in headers


@pytest.mark.parametrize(("content", "shown"), [(PNG, "inline"), (HTML, "attachment"), (b"<svg/>", "attachment")])
def test_an_attachment_is_served_so_that_no_browser_runs_it(site: Site, content: bytes, shown: str) -> None:
    kind = "image/png" if content is PNG else "text/html"
    request = site.receive((site.elsewhere.serve(f"/{uuid.uuid4()}", content, kind), kind))
    status, headers, body = site.fetch(request["input"]["attachments"][0]["url"])
    assert (status, body) == (200, content)
    assert headers["content-type"] == request["input"]["attachments"][0]["media_type"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-disposition"].partition(";")[0] == shown
    assert "private" in headers["cache-control"]


def test_an_address_of_an_attachment_expires(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url = site.receive((site.elsewhere.serve("/kept", PNG), "image/png"))["input"]["attachments"][0]["url"]
    vault = Vault([site.hub.environment["HUB_SECRET_KEYS"]])
    token = url.rpartition("/")[2]
    value = vault.verify(token, 60)
    assert value is not None
    monkeypatch.setattr(itsdangerous.timed, "time", SimpleNamespace(time=lambda: time.time() - 25 * 3600))
    old = vault.sign(value)
    monkeypatch.undo()
    assert site.fetch(url)[0] == 200
    assert site.fetch(f"{site.hub.url}/media/{old}")[0] == 404
    assert site.fetch(f"{site.hub.url}/media/{token[:-2]}")[0] == 404


def test_a_hook_drops_a_file(site: Site) -> None:
    request = site.receive((site.elsewhere.serve("/drop", PNG), "image/png"), body="drop")
    assert site.attachments(request) == []


def test_a_hook_replaces_a_file(site: Site) -> None:
    request = site.receive((site.elsewhere.serve("/replace", PNG), "image/png"), body="replace")
    assert site.attachments(request) == [("application/pdf", b"%PDF-1.4 replaced")]


def test_a_hook_adds_a_file(site: Site) -> None:
    request = site.receive((site.elsewhere.serve("/add", PNG), "image/png"), body="add")
    assert site.attachments(request) == [("image/png", PNG), ("text/plain", b"note of a hook")]


def test_the_demo_assistant_describes_a_picture(site: Site) -> None:
    site.twilio.configure(f"{site.hub.url}/webhooks/demo/message")
    person = next(site.people)
    site.twilio.text(person, media=[("image/png", PNG)])
    idle(site.hub)
    assert [message.body for message in site.twilio.messages(to=person)] == ["I got a picture (image/png, 1.7 kB)."]


def test_the_demo_assistant_sends_a_picture_that_twilio_can_fetch(site: Site) -> None:
    site.twilio.configure(f"{site.hub.url}/webhooks/demo/message")
    person = next(site.people)
    site.twilio.text(person, body="picture")
    (message,) = site.twilio.wait_for(
        lambda messages: [each for each in messages if each.to == person and each.status == "delivered"], 20
    )
    assert message.num_media == 1
    assert [(media.content_type, media.data) for media in message.media] == [("image/png", PNG)]
    assert message.body == "A sunrise\nDrawn just for you."


def test_media_on_a_private_address_is_never_asked_for_unless_allowed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = start(stack, tmp_path, {"HUB_ALLOW_PRIVATE_URLS": "0"})
        site.post("+15550007999", (site.elsewhere.serve("/private", PNG), "image/png"), integration="demo")
        wait_until(lambda: site.hub.events("turn_answered"), 30, "the turn")
        assert site.elsewhere.asked == []
        (event,) = site.hub.events("attachment_not_fetched")
        assert "HUB_ALLOW_PRIVATE_URLS" in event["reason"]
