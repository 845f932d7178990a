"""Attachments: fetched with patience, kept under keys nobody guesses, handed out behind signed addresses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hub_demo.picture import sunrise
from inprocess import LocalHub
from wire import Server, reply

from hub import HttpClient, InboundMedia
from hub.errors import ConfigError, MediaFailed
from hub.media import LINK_SECONDS, NOT_READY_PAUSES, MediaStore, fetch, sniff
from hub.plugins import GROUP
from hub.retention import purge
from hub.store.models import Attachment
from hub.vault import Vault
from hub.web import create_app

KEYS = (Fernet.generate_key().decode(), Fernet.generate_key().decode())
PUBLIC_URL = "https://hub.example/prefix"
HOOKED = EntryPoint("hooked", "hub_hooked", GROUP)
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
Serve = Callable[[Any], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(Server(script if callable(script) else lambda *_: script))


@pytest.fixture
def client() -> HttpClient:
    return HttpClient(allow_private=True)


@pytest.fixture(params=["file", "memory"])
def media(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    place = tmp_path / "media" if request.param == "file" else f"/{uuid.uuid4().hex}"
    return MediaStore(f"{request.param}://{place}", Vault(KEYS[:1]), PUBLIC_URL)


class TestStore:
    def test_what_is_kept_can_be_opened_until_it_is_deleted(self, media: MediaStore) -> None:
        first, second = media.keep(b"one"), media.keep(b"\0two" * 100_000)
        with media.open(first) as file:
            assert file.read() == b"one"
        with media.open(second) as file:
            assert file.read() == b"\0two" * 100_000
        media.delete(first)
        media.delete(first)
        with pytest.raises(FileNotFoundError):
            media.open(first)

    def test_the_same_content_is_kept_under_another_key_each_time(self, media: MediaStore) -> None:
        assert len({media.keep(b"same") for _ in range(10)}) == 10

    def test_a_place_that_cannot_be_written_names_the_setting(self) -> None:
        with pytest.raises(MediaFailed, match="HUB_MEDIA_URL") as caught:
            MediaStore("file:///proc/no/such/place", Vault(KEYS), PUBLIC_URL).keep(b"x")
        assert not caught.value.retryable

    @pytest.mark.parametrize("url", ["nonsense://x", "s3://bucket-without-the-library"])
    def test_an_address_nobody_understands_names_the_setting(self, url: str) -> None:
        with pytest.raises(ConfigError, match="HUB_MEDIA_URL"):
            MediaStore(url, Vault(KEYS), PUBLIC_URL).keep(b"x")


class TestLinks:
    def store(self, *keys: str) -> MediaStore:
        return MediaStore("memory://links", Vault(keys), PUBLIC_URL)

    def token(self, url: str) -> str:
        return url.removeprefix(f"{PUBLIC_URL}/media/")

    def test_a_link_leads_to_its_attachment_below_the_public_url(self) -> None:
        attachment, store = uuid.uuid4(), self.store(KEYS[0])
        url = store.url(attachment)
        assert url.startswith(f"{PUBLIC_URL}/media/")
        assert store.attachment_of(self.token(url)) == attachment

    def test_a_link_works_for_a_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store, now = self.store(KEYS[0]), time.time()
        token = self.token(store.url(uuid.uuid4()))
        assert LINK_SECONDS == 24 * 3600
        monkeypatch.setattr("time.time", lambda: now + LINK_SECONDS - 5)
        assert store.attachment_of(token) is not None
        monkeypatch.setattr("time.time", lambda: now + LINK_SECONDS + 5)
        assert store.attachment_of(token) is None

    def test_a_forged_link_leads_nowhere(self) -> None:
        store = self.store(KEYS[0])
        token = self.token(store.url(uuid.uuid4()))
        payload, rest = token.split(".", 1)
        other = self.token(store.url(uuid.uuid4())).split(".", 1)[0]
        forged = [f"{other}.{rest}", token[:-1], token + "A", payload, "", "é", "a.b.c", uuid.uuid4().hex]
        assert [store.attachment_of(each) for each in forged] == [None] * len(forged)

    def test_links_outlive_a_key_rotation_until_the_old_key_is_removed(self) -> None:
        attachment = uuid.uuid4()
        token = self.token(self.store(KEYS[0]).url(attachment))
        rotated = self.store(KEYS[1], KEYS[0])
        assert rotated.attachment_of(token) == attachment
        assert self.store(KEYS[1]).attachment_of(token) is None
        assert self.store(KEYS[1]).attachment_of(self.token(rotated.url(attachment))) == attachment


@pytest.mark.parametrize(
    ("data", "hint", "expected"),
    [
        (sunrise(), "", "image/png"),
        (sunrise(), "text/html", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", "image/png", "image/jpeg"),
        (b"GIF89a\1\0\1\0\0\0\0;", "", "image/gif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "video/mp4", "image/heic"),
        (b"%PDF-1.4 ...", "image/png", "application/pdf"),
        (b"just words", "image/png", "text/plain"),
        (b"BEGIN:VCARD\nVERSION:3.0\nEND:VCARD\n", "text/vcard", "text/vcard"),
        (b"", "", "text/plain"),
        (b"\x80\x81\x82\x83", "image/png", "application/octet-stream"),
    ],
)
def test_the_type_is_told_by_the_content_and_not_by_who_sent_it(data: bytes, hint: str, expected: str) -> None:
    assert sniff(data, hint) == expected


class TestFetch:
    @pytest.fixture
    def pauses(self) -> list[float]:
        return []

    def test_a_file_that_is_not_there_yet_is_asked_for_again(
        self, client: HttpClient, serve: Serve, pauses: list[float]
    ) -> None:
        answers = iter([reply(status="404 Not Found"), reply(status="503 Busy"), reply(b"picture")])
        server = serve(lambda *_: next(answers))
        assert fetch(client, server.url, None, pauses.append) == b"picture"
        assert pauses == list(NOT_READY_PAUSES[:2])

    def test_patience_ends(self, client: HttpClient, serve: Serve, pauses: list[float]) -> None:
        server = serve(reply(status="404 Not Found"))
        with pytest.raises(MediaFailed, match="404"):
            fetch(client, server.url, None, pauses.append)
        assert pauses == list(NOT_READY_PAUSES)
        assert len(server.requests) == len(NOT_READY_PAUSES) + 1

    @pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "410 Gone"])
    def test_a_refusal_is_final(self, client: HttpClient, serve: Serve, pauses: list[float], status: str) -> None:
        with pytest.raises(MediaFailed):
            fetch(client, serve(reply(status=status)).url, None, pauses.append)
        assert pauses == []

    def test_a_file_over_the_limit_is_not_fetched_again(
        self, client: HttpClient, serve: Serve, pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub.media.FETCH_MAX_BYTES", 1000)
        server = serve(reply(b"x" * 1001))
        with pytest.raises(MediaFailed, match="1000 bytes"):
            fetch(client, server.url, None, pauses.append)
        assert len(server.requests) == 1

    def test_an_address_that_is_not_allowed_is_not_tried_again(self, serve: Serve, pauses: list[float]) -> None:
        with pytest.raises(MediaFailed):
            fetch(HttpClient(), "https://127.0.0.1/x", None, pauses.append)
        assert pauses == []

    @pytest.mark.parametrize("url", ["http://[broken", "", "file:///etc/passwd"])
    def test_an_address_that_is_none_fails_like_any_other(self, client: HttpClient, url: str) -> None:
        with pytest.raises(MediaFailed):
            fetch(client, url, None, lambda _: None)

    def test_credentials_do_not_follow_a_redirect_to_another_host(
        self, client: HttpClient, serve: Serve, pauses: list[float]
    ) -> None:
        store = serve(reply(b"picture"))
        own = serve(reply(status="307 Temporary", Location=f"{store.url}/signed"))
        assert fetch(client, own.url, ("AC1", "token"), pauses.append) == b"picture"
        assert b"Authorization: Basic" in own.requests[0]
        assert b"uthorization" not in store.requests[0]


class TestInATurn:
    @pytest.fixture
    def local(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
        monkeypatch.setattr("hub.media.NOT_READY_PAUSES", (0.0,))
        with LocalHub(f"sqlite:///{tmp_path / 'hub.sqlite3'}", tmp_path, plugins=[HOOKED]) as local:
            yield local

    def send(self, local: LocalHub, text: str, *urls: str, media_type: str = "image/png") -> None:
        local.text(text, media=tuple(InboundMedia(url, media_type) for url in urls))
        local.drain()

    def get(self, local: LocalHub, attachment: Any) -> Any:
        path = local.hub.media.url(attachment).removeprefix(local.hub.config.public_url)
        return create_app(hub=local.hub).test_client().get(path)

    def files(self, local: LocalHub, tmp_path: Path) -> list[bytes]:
        return [path.read_bytes() for path in (tmp_path / "media").rglob("*") if path.is_file()]

    def test_the_assistant_gets_what_was_fetched_and_the_turn_goes_on_without_the_rest(
        self, local: LocalHub, serve: Serve
    ) -> None:
        seen: list[Any] = []
        local.script.reply = lambda text, turn: seen.extend(each.read() for each in turn.attachments) or "thanks"
        server = serve(lambda request, _: reply(sunrise()) if b"/good" in request else reply(status="404 Not Found"))
        self.send(local, "look", f"{server.url}/gone", f"{server.url}/good")
        assert seen == [sunrise()]
        assert [row.state for row in local.rows(Attachment)] == ["failed", "stored"]
        assert local.provider.texts == ["thanks"]

    def test_a_broken_media_address_does_not_stop_the_lane(self, local: LocalHub) -> None:
        self.send(local, "look", "http://[broken")
        assert local.provider.texts == ["echo look"]

    def test_a_picture_is_served_with_headers_that_keep_it_a_picture(self, local: LocalHub, serve: Serve) -> None:
        self.send(local, "look", serve(reply(sunrise())).url)
        answer = self.get(local, local.rows(Attachment)[0].id)
        assert (answer.status_code, answer.data) == (200, sunrise())
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Length"] == str(len(sunrise()))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Content-Disposition"] == 'inline; filename="file.png"'
        assert "private" in answer.headers["Cache-Control"]

    def test_a_page_that_calls_itself_a_picture_is_only_offered_as_a_download(
        self, local: LocalHub, serve: Serve
    ) -> None:
        self.send(local, "look", serve(reply(HTML)).url)
        answer = self.get(local, local.rows(Attachment)[0].id)
        assert answer.data == HTML
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert "sandbox" in answer.headers["Content-Security-Policy"]

    def test_a_forged_a_dropped_and_a_purged_file_are_not_found(
        self, local: LocalHub, serve: Serve, tmp_path: Path
    ) -> None:
        self.send(local, "look", serve(reply(sunrise())).url)
        self.send(local, "drop", serve(reply(sunrise())).url)
        kept, dropped = local.rows(Attachment)
        browser = create_app(hub=local.hub).test_client()
        assert browser.get("/media/forged").status_code == 404
        assert self.get(local, dropped.id).status_code == 404
        assert self.get(local, kept.id).status_code == 200
        purge(local.hub.store, local.hub.media, attachment_days=0, conversation_days=365)
        assert self.get(local, kept.id).status_code == 404

    @pytest.mark.parametrize(
        ("text", "contents"),
        [("add", [sunrise(), b"note of a hook"]), ("drop", []), ("replace", [b"%PDF-1.4 replaced"])],
    )
    def test_hooks_change_what_the_assistant_gets_and_nothing_stays_behind_after_a_purge(
        self, local: LocalHub, serve: Serve, tmp_path: Path, text: str, contents: list[bytes]
    ) -> None:
        seen: list[Any] = []
        local.script.reply = lambda text, turn: seen.extend(each.read() for each in turn.attachments) or "thanks"
        self.send(local, text, serve(reply(sunrise())).url)
        assert seen == contents
        purge(local.hub.store, local.hub.media, attachment_days=0, conversation_days=365)
        assert self.files(local, tmp_path) == []
