"""Files that become links: what is found out about an address, and what becomes of the messages of an answer."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hub_simulator import mms
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator
from hub_twilio.media import ACCEPTED, MESSAGE_BYTES, OTHER_BYTES
from hub_twilio.sms import SmsTwilio, SmsTwilioSettings
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, insert
from structlog.testing import capture_logs
from werkzeug.wrappers import Response
from wire import Server, reply

from hub import HttpClient, Integration, TextChannel, TextMessage, links
from hub.ids import uuid7
from hub.links import CACHED, CACHED_SECONDS, DOUBT_SECONDS, MOST_MEDIA, Facts, Lookup, deliverable, own_media
from hub.log import get_logger
from hub.media import LINK_SECONDS, MediaStore
from hub.rendering.text import Part
from hub.store import Store
from hub.store.models import Attachment
from hub.vault import Vault

ATTACHMENT: Table = Attachment.__table__  # type: ignore[assignment]
NUMBER, PERSON = "+15550000001", "+15550000002"
PUBLIC_URL = "https://hub.example/prefix"
PNG = reply(b"", Content_Type="image/png", Content_Length="1234")
Serve = Callable[[Any], Server]


def nobody(_url: str) -> None:
    """No address is the hub's own."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(Server(script if callable(script) else lambda *_: script))


@pytest.fixture
def lookup() -> Lookup:
    return Lookup(HttpClient(allow_private=True), nobody)


def first_lines(server: Server) -> list[str]:
    return [request.split(b" HTTP/1.1")[0].decode() for request in server.requests]


def for_get(answer: bytes, head: bytes = b"HTTP/1.1 405 No\r\n\r\n") -> Callable[..., bytes]:
    """A script that answers HEAD with `head` and everything else with `answer`."""
    return lambda request, _: head if request.startswith(b"HEAD") else answer


class TestLookup:
    @pytest.mark.parametrize(
        ("answer", "facts"),
        [
            (PNG, Facts("image/png", 1234)),
            (reply(b"", Content_Type="Image/JPEG; charset=x", Content_Length="7"), Facts("image/jpeg", 7)),
            (reply(b"", Content_Type="image/png", Content_Length="0"), Facts("image/png", None)),
            (b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n", Facts("video/mp4", None)),
            (reply(b"", Content_Type="image/png", Content_Encoding="gzip"), Facts("image/png", None)),
            (reply(b"", Content_Length="9"), Facts("image/webp", 9)),
            (reply(b"", Content_Type="application/octet-stream"), Facts("application/octet-stream", None)),
        ],
        ids=["plain", "parameters", "zero", "no length", "compressed", "by extension", "says bytes"],
    )  # fmt: skip
    def test_head_tells_type_and_size(self, serve: Serve, lookup: Lookup, answer: bytes, facts: Facts) -> None:
        server = serve(answer)
        assert lookup.facts(f"{server.url}/a/picture.webp?token=1#x") == facts
        assert first_lines(server) == ["HEAD /a/picture.webp?token=1"]

    @pytest.mark.parametrize("status", ["405 No", "501 No", "403 Only GET is signed"])
    def test_where_head_is_refused_one_byte_tells_the_size(self, serve: Serve, lookup: Lookup, status: str) -> None:
        one = reply(b"x", "206 Partial Content", Content_Type="audio/mpeg", Content_Range="bytes 0-0/6200000")
        server = serve(for_get(one, f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()))
        assert lookup.facts(server.url + "/sound") == Facts("audio/mpeg", 6_200_000)
        assert b"Range: bytes=0-0" in server.requests[1]

    @pytest.mark.parametrize(
        ("answer", "facts"),
        [
            (reply(b"x" * 500, Content_Type="image/gif"), Facts("image/gif", 500)),
            (reply(b"x", "206 P", Content_Type="image/gif", Content_Range="bytes 0-0/*"), Facts("image/gif", None)),
        ],
        ids=["the whole file", "size unknown"],
    )
    def test_a_server_may_ignore_the_range(self, serve: Serve, lookup: Lookup, answer: bytes, facts: Facts) -> None:
        assert lookup.facts(serve(for_get(answer)).url) == facts

    @pytest.mark.parametrize(
        ("script", "doubt"),
        [
            (for_get(reply(b"x" * 70_000, Content_Type="image/gif")), "more than 65536 bytes"),
            (reply(b"", "404 Not Found"), "answered 404"),
            (reply(b"", "500 Oh"), "answered 500"),
            (reply(b"", "301 Moved"), "answered 301"),
            (reply(b"", Content_Type="nonsense"), "names no media type"),
            (reply(b"", Content_Type="image/" + "x" * 100), "names no media type"),
            (reply(b""), "names no media type"),
            (reply(b"", "302 Found", Location="/again"), "redirects more than 3 times"),
            (reply(b"", "302 Found", Location="https://[oops"), "redirects to what is no address"),
            (reply(b"", "302 Found", Location="ftp://elsewhere.example/x"), "not an http address"),
            (None, "broke off"),
        ],
    )  # fmt: skip
    def test_what_is_not_told_is_a_doubt_with_a_reason(
        self, serve: Serve, lookup: Lookup, script: Any, doubt: str
    ) -> None:
        server = serve(script)
        facts = lookup.facts(server.url + "/x?secret=1")
        assert facts.media_type == ""
        assert doubt in facts.doubt
        assert "secret" not in facts.doubt
        assert len(server.requests) <= 4

    def test_redirects_are_followed(self, serve: Serve, lookup: Lookup) -> None:
        last = serve(PNG)
        middle = serve(reply(b"", "307 T", Location=last.url + "/picture"))
        first = serve(lambda request, _: reply(b"", "301 M", Location="/b" if b"/a" in request else middle.url))
        assert lookup.facts(first.url + "/a") == Facts("image/png", 1234)
        assert first_lines(last) == ["HEAD /picture"]

    def test_a_server_that_hangs_costs_little_time_and_only_once(
        self, serve: Serve, lookup: Lookup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(links, "LOOKUP_SECONDS", 0.2)
        stop = threading.Event()
        server = serve(lambda *_: stop.wait(20) and None)
        began = time.monotonic()
        assert "did not answer in time" in lookup.facts(server.url).doubt
        assert "did not answer in time" in lookup.facts(server.url).doubt
        stop.set()
        assert time.monotonic() - began < 5
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        "url",
        ["http://public.example/x.png", "https://127.0.0.1/x.png", "data:image/png;base64,AAAA", "no address", "",
         "https://[oops", "https://x.example/" + "a" * 8_000],
    )  # fmt: skip
    def test_what_may_not_be_called_is_a_doubt(self, url: str) -> None:
        facts = Lookup(HttpClient(), nobody).facts(url)
        assert facts.media_type == ""
        assert facts.doubt


class TestCache:
    @pytest.mark.parametrize(("answer", "seconds"), [(PNG, CACHED_SECONDS), (reply(b"", "404 N"), DOUBT_SECONDS)])
    def test_each_address_is_asked_once_until_it_is_too_old(self, serve: Serve, answer: bytes, seconds: float) -> None:
        server, now = serve(answer), [1000.0]
        lookup = Lookup(HttpClient(allow_private=True), nobody, lambda: now[0])
        first = lookup.facts(server.url)
        asked = len(server.requests)
        now[0] += seconds - 1
        assert lookup.facts(server.url) == first
        assert len(server.requests) == asked
        now[0] += 1
        assert lookup.facts(server.url) == first
        assert len(server.requests) == 2 * asked

    def test_the_address_that_was_not_wanted_longest_is_forgotten(
        self, serve: Serve, lookup: Lookup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert CACHED == 1_000
        monkeypatch.setattr(links, "CACHED", 2)
        server = serve(PNG)
        for name in "abacb":
            lookup.facts(f"{server.url}/{name}")
        assert first_lines(server) == ["HEAD /a", "HEAD /b", "HEAD /c", "HEAD /b"]

    def test_many_threads_may_ask(self, serve: Serve, lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(links, "CACHED", 3)
        server, found = serve(PNG), list[Facts]()

        def ask() -> None:
            found.extend(lookup.facts(f"{server.url}/{position % 5}") for position in range(25))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [Facts("image/png", 1234)] * 200


class TestOwnAddresses:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = Store(f"sqlite:///{tmp_path / 'hub.sqlite3'}")
        # Attachments belong to turns, which nobody asks for here: a table of their own without the reference.
        columns = [Column(each.name, each.type, primary_key=each.primary_key) for each in ATTACHMENT.columns]
        Table(ATTACHMENT.name, MetaData(), *columns).create(store.engine)
        yield store
        store.close()

    @pytest.fixture
    def media(self) -> MediaStore:
        return MediaStore(f"memory:///{uuid.uuid4().hex}", Vault([Fernet.generate_key().decode()]), PUBLIC_URL)

    def attachment(self, store: Store, state: str) -> uuid.UUID:
        identifier = uuid7()
        row = {"id": identifier, "turn_id": uuid7(), "position": 0, "state": state, "source_url": "", "name": ""}
        row |= {"media_type": "image/webp", "size": 77, "key": "k"}
        store.write(lambda connection: connection.execute(insert(Attachment).values(row)))
        return identifier

    def test_the_store_answers_for_the_hub(self, store: Store, media: MediaStore) -> None:
        own = own_media(store, media, PUBLIC_URL)
        assert own(media.url(self.attachment(store, "stored"))) == Facts("image/webp", 77)
        for unknown in (media.url(self.attachment(store, "failed")), media.url(uuid7()), f"{PUBLIC_URL}/media/forged"):
            facts = own(unknown)
            assert facts is not None
            assert (facts.media_type, facts.size) == ("", None)
            assert facts.doubt

    def test_a_link_that_is_too_old_tells_nothing(
        self, store: Store, media: MediaStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = media.url(self.attachment(store, "stored"))
        later = time.time() + LINK_SECONDS + 10
        monkeypatch.setattr(time, "time", lambda: later)
        facts = own_media(store, media, PUBLIC_URL)(url)
        assert facts is not None
        assert "too old" in facts.doubt

    @pytest.mark.parametrize(
        "url",
        ["https://other.example/prefix/media/x", "http://hub.example/prefix/media/x", f"{PUBLIC_URL}/static/x.png",
         "https://hub.example:444/prefix/media/x", "https://hub.example/media/x", "https://[oops/media/x", "nonsense"],
    )  # fmt: skip
    def test_other_addresses_are_not_ours(self, store: Store, media: MediaStore, url: str) -> None:
        assert own_media(store, media, PUBLIC_URL)(url) is None

    def test_the_hub_never_calls_itself_not_even_through_a_redirect(self, serve: Serve, store: Store) -> None:
        ours = serve(PNG)
        media = MediaStore(f"memory:///{uuid.uuid4().hex}", Vault([Fernet.generate_key().decode()]), ours.url)
        url = media.url(self.attachment(store, "stored"))
        short = serve(reply(b"", "302 Found", Location=url))
        lookup = Lookup(HttpClient(allow_private=True), own_media(store, media, ours.url))
        assert lookup.facts(url) == lookup.facts(short.url) == Facts("image/webp", 77)
        assert ours.requests == []


class Channel(TextChannel):
    """Takes pictures of 100 bytes, 250 a message, none to +44; the size of "x/any" does not matter."""

    max_length = 60

    def __init__(self) -> None:
        pass

    receive = send = find_sent = None  # type: ignore[assignment]

    def media_refused(self, media_type: str, size: int | None, sender: str, recipient: str) -> str | None:
        assert sender == NUMBER
        if recipient.startswith("+44"):
            return "not to GB"
        if media_type not in ("", "x/any", "image/png"):
            return f"not {media_type}"
        return "too big" if (size or 0) > (100 if media_type == "image/png" else 250) else None


class Plain(Channel):
    """Takes everything."""

    media_refused = TextChannel.media_refused


Channel.__abstractmethods__ = Plain.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


class Known:
    """A lookup that knows everything: an address says of itself what it is, as in ``https://a.example/png/100/1``."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def facts(self, url: str) -> Facts:
        self.asked.append(url)
        _, _, _, kind, size, *_ = url.split("/")
        if kind == "?":
            return Facts(doubt="nobody knows")
        return Facts({"png": "image/png", "any": "x/any"}.get(kind, f"x/{kind}"), int(size) if size else None)


def at(kind: str, size: str = "", name: str = "1") -> str:
    return f"https://a.example/{kind}/{size}/{name}"


def delivered(parts: list[Part], to: str = PERSON, channel: Channel | None = None, known: Any = None) -> list[Part]:
    return deliverable(parts, channel or Channel(), NUMBER, to, known or Known(), get_logger().bind(correlation="c1"))


PICTURE, WEBP, LONG = at("png", "100"), at("webp"), at("webp", "", "x" * 40)


class TestParts:
    @pytest.mark.parametrize(
        ("part", "to", "expected"),
        [
            (Part("Map", (PICTURE,)), PERSON, [Part("Map", (PICTURE,))]),
            (Part("Map", (WEBP,)), PERSON, [Part(f"Map\n{WEBP}")]),
            (Part("", (WEBP,)), PERSON, [Part(WEBP)]),
            (Part("Map", (PICTURE,)), "+447700900123", [Part(f"Map\n{PICTURE}")]),
            (Part("Map", (at("png", "101"),)), PERSON, [Part(f"Map\n{at('png', '101')}")]),
            (Part("A", (WEBP, PICTURE)), PERSON, [Part(f"A\n{WEBP}", (PICTURE,))]),
            (Part("A", (at("?"),)), PERSON, [Part("A", (at("?"),))]),
            (Part("A", (at("png"),)), PERSON, [Part("A", (at("png"),))]),
            (Part("A" * 40, (WEBP, PICTURE)), PERSON, [Part("A" * 40, (PICTURE,)), Part(WEBP)]),
            (Part("🎈" * 20, (WEBP,)), PERSON, [Part("🎈" * 20), Part(WEBP)]),
            (Part("A", (WEBP, WEBP, WEBP)), PERSON, [Part(f"A\n{WEBP}\n{WEBP}"), Part(WEBP)]),
            (Part("A", (LONG,)), PERSON, [Part("A", (LONG,))]),
        ],
        ids=["taken", "type", "no text", "country", "size", "beside another", "unknown", "size unknown",
             "no room", "no room in UTF-16", "several", "address longer than a message"],
    )  # fmt: skip
    def test_what_is_refused_becomes_a_link(self, part: Part, to: str, expected: list[Part]) -> None:
        before, after = Part("before"), Part("after")
        assert delivered([before, part, after], to) == [before, *expected, after]

    def test_files_that_are_too_much_together(self) -> None:
        first, second, third, small = (at("png", size, name) for size, name in
                                       [("100", "1"), ("100", "2"), ("60", "3"), ("50", "4")])  # fmt: skip
        assert delivered([Part("", (first, second, third, small))]) == [Part(third, (first, second, small))]

    def test_more_than_ten_files_are_several_messages(self) -> None:
        files = tuple(at("any", "25", str(name)) for name in range(21))
        assert delivered([Part("A", (WEBP, *files))]) == [
            Part(f"A\n{WEBP}", files[:10]), Part("", files[10:20]), Part("", files[20:])
        ]  # fmt: skip
        assert delivered([Part("A", files)], channel=Plain()) == [
            Part("A", files[:10]), Part("", files[10:20]), Part("", files[20:])
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("parts", "to", "channel"),
        [([Part("A"), Part("B")], PERSON, Channel()), ([Part("A", (WEBP,))], PERSON, Plain()),
         ([Part("A", (WEBP,))], "+447700900123", Channel())],
        ids=["no files", "a channel without limits", "a country without MMS"],
    )  # fmt: skip
    def test_nobody_is_asked_when_it_makes_no_difference(self, parts: list[Part], to: str, channel: Channel) -> None:
        known = Known()
        delivered(parts, to, channel, known)
        assert known.asked == []

    def test_an_answer_does_not_wait_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(links, "ANSWER_SECONDS", -1.0)
        known = Known()
        with capture_logs() as logs:
            assert delivered([Part("A", (WEBP,))], known=known) == [Part("A", (WEBP,))]
        assert known.asked == []
        assert [line["event"] for line in logs] == ["media_not_checked"]

    def test_the_log_says_why_and_no_more_of_the_address_than_its_host(self) -> None:
        with capture_logs() as logs:
            delivered([Part("A", (at("webp", "", "x?key=s3"), at("?", "", "x?key=s3"), LONG))])
        same = {"correlation": "c1", "host": "https://a.example"}
        assert logs == [
            {"event": "media_sent_as_link", "log_level": "warning", "reason": "not x/webp", **same},
            {"event": "media_not_checked", "log_level": "info", "reason": "nobody knows", **same},
            {"event": "media_not_checked", "log_level": "warning", **same,
             "reason": "not x/webp, but the address is too long"},
        ]  # fmt: skip


ADDRESSES = st.builds(
    at, st.sampled_from(["png", "any", "webp", "?"]), st.sampled_from(["", "0", "60", "100", "101", "251"]),
    st.text("aé🎈 ", max_size=30),
)  # fmt: skip
PARTS = st.lists(
    st.builds(Part, st.text("ab \n🎈", max_size=30), st.lists(ADDRESSES, max_size=25).map(tuple)), max_size=4
)


@given(PARTS, st.sampled_from([PERSON, "+447700900123"]))
def test_no_text_and_no_address_is_lost(parts: list[Part], to: str) -> None:
    found = delivered(parts, to)
    assert all(len(part.text.encode("utf-16-le")) <= 2 * Channel.max_length for part in found)
    assert all(len(part.media) <= MOST_MEDIA for part in found)
    assert all(part.text or part.media for part in found if part not in parts)
    left = iter(found)
    current = next(left, None)
    for part in parts:
        # The messages of one part stand together, and begin with its text.
        assert current is not None
        assert current.text == part.text or current.text.startswith(f"{part.text}\n" if part.text else "https:")
        addresses = [line for line in current.text[len(part.text) :].split("\n") if line]
        files, linked = list(current.media), addresses
        while len(files) + len(linked) < len(part.media):
            current = next(left)
            files += current.media
            linked += [line for line in current.text.split("\n") if line]
        assert sorted([*files, *linked]) == sorted(part.media)
        assert files == _in_order(part.media, files)
        assert linked == _in_order(part.media, linked)
        current = next(left, None)
    assert current is None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(b"x", mimetype="image/webp"), 12300),
        (Response(b"x" * 500_001, mimetype="application/pdf"), 30019),
        (Response(b"x" * 5_000_001, mimetype="image/png"), 11751),
    ],
)
def test_what_would_not_be_delivered_is_delivered_as_a_link(answer: Response, code: int) -> None:
    with RunningSimulator(numbers=(NUMBER,)) as twilio, Receiver() as files:
        twilio.behave(callbacks={"delay": 0})
        http = HttpClient(allow_private=True)
        services: Any = SimpleNamespace(http=http)
        settings = SmsTwilioSettings(
            account_sid=twilio.account_sid, auth_tokens=(twilio.auth_token,), base_url=twilio.url
        )  # fmt: skip
        channel = SmsTwilio(Integration("sms", settings, ""), services)
        good = files.answer("/good", Response(b"x", mimetype="image/png"))
        shown = Part("Look", (files.answer("/bad", answer), good))
        linked = deliverable([shown], channel, NUMBER, PERSON, Lookup(http, nobody), get_logger())
        assert linked == [Part(f"Look\n{files.url}/bad", (good,))]
        for part, end in ((shown, code), (linked[0], None)):
            callback = f"{files.url}/status"
            sent = channel.send(TextMessage(uuid7(), NUMBER, PERSON, part.text, callback, part.media))
            ended = twilio.wait_for(
                lambda all_of, sid=sent.provider_id: [
                    each for each in all_of if each.sid == sid and each.status in ("delivered", "undelivered")
                ]
            )  # fmt: skip
            assert ended[0].error_code == end


def test_what_the_channel_lets_through_is_what_the_provider_takes() -> None:
    assert (set(ACCEPTED), MESSAGE_BYTES) == (mms.ACCEPTED, mms.MESSAGE_LIMIT)
    assert {each for each, limit in ACCEPTED.items() if limit == MESSAGE_BYTES} == mms.FITTED
    assert OTHER_BYTES == mms.CARRIER_LIMIT


def _in_order(all_of: tuple[str, ...], some: list[str]) -> list[str]:
    """`some` if it stands in `all_of` in this order, else less."""
    every = iter(all_of)
    return [url for url in some if any(url == each for each in every)]
