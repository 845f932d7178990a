"""``hub purge``: what is old goes, with its files; what waits, and who said stop, stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_demo.picture import sunrise
from inprocess import NUMBER, PERSON, LocalHub, Time
from wire import Server, reply

from hub import DeliveryReport, InboundMedia, SendFailed, ids
from hub.media import MediaStore
from hub.retention import Purged, purge
from hub.store.models import Attachment, Lane, Message, MessageEvent, OptOut, Session, Turn

OTHER_PERSON = "+15550000003"
DAY = 24 * 3600


@pytest.fixture
def local(database_url: str, tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(database_url, tmp_path) as hub:
        yield hub


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def picture() -> Iterator[tuple[InboundMedia, ...]]:
    with Server(lambda *_: reply(sunrise())) as server:
        yield (InboundMedia(server.url, "image/png"),)


def clean(local: LocalHub, attachments: float = 30, conversations: float = 365, media: Any = None) -> Purged:
    store = media or local.hub.media
    return purge(local.hub.store, store, attachment_days=attachments, conversation_days=conversations)


def files(folder: Path) -> int:
    return sum(path.is_file() for path in (folder / "media").rglob("*"))


def with_picture(local: LocalHub, picture: tuple[InboundMedia, ...], person: str = PERSON) -> None:
    local.text("look", person, media=picture)
    local.drain()


def test_files_go_after_their_time_and_rows_and_messages_stay(
    local: LocalHub, time: Time, tmp_path: Path, picture: tuple[InboundMedia, ...]
) -> None:
    with_picture(local, picture)
    time.passes(29 * DAY)
    assert clean(local) == Purged(0, 0, 0, 0, 0)
    assert files(tmp_path) == 1
    time.passes(2 * DAY)
    assert clean(local) == Purged(1, 0, 0, 0, 0)
    assert files(tmp_path) == 0
    assert [(row.state, row.source_url) for row in local.rows(Attachment)] == [("purged", "")]
    assert len(local.rows(Message)) == 2
    assert clean(local) == Purged(0, 0, 0, 0, 0)


def test_a_quiet_conversation_goes_as_a_whole_and_a_young_one_stays(
    local: LocalHub, time: Time, tmp_path: Path, picture: tuple[InboundMedia, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_picture(local, picture)
    local.report(DeliveryReport("P", "delivered", {}, message_id=local.sent()[0].id))
    time.passes(366 * DAY)
    monkeypatch.setattr("hub.ids._last", ids._last)
    monkeypatch.setattr("hub.ids.time.time_ns", lambda: int(time.now.timestamp() * 1e9))
    local.converse("young", person=OTHER_PERSON)
    assert clean(local, attachments=1000) == Purged(0, 2, 1, 1, 1)
    assert files(tmp_path) == 0
    assert [row.person for row in local.rows(Lane)] == [OTHER_PERSON]
    for table, left in ((Message, 2), (Turn, 1), (Session, 1), (Attachment, 0), (MessageEvent, 0)):
        assert len(local.rows(table)) == left, table
    assert local.text("back again") == ["accepted"]


def test_who_said_stop_stays_opted_out(local: LocalHub, time: Time) -> None:
    local.text("STOP", opt_out="stop", opt_out_sender=NUMBER)
    time.passes(1000 * DAY)
    assert clean(local).lanes == 1
    assert [row.person for row in local.rows(OptOut)] == [PERSON]


@pytest.mark.parametrize("waits", ["to be answered", "to be sent", "for its worker"])
def test_what_waits_is_kept_whatever_its_age(local: LocalHub, time: Time, waits: str) -> None:
    if waits == "to be sent":
        local.provider.plan.append(SendFailed("429", "later", retryable=True, retry_after=10_000 * DAY))
        local.converse("hello")
    elif waits == "to be answered":
        local.text("hello")
    else:
        local.script.reply = lambda text, turn: KeyboardInterrupt("killed")
        local.text("hello")
        with pytest.raises(KeyboardInterrupt):
            local.drain()
        local.script.reply = lambda text, turn: "better late"
    time.passes(1000 * DAY)
    assert clean(local, attachments=0, conversations=0) == Purged(0, 0, 0, 0, 0)
    assert len(local.rows(Lane)) == 1
    if waits != "to be sent":
        local.drain()
        assert len(local.provider.accepted) == 1


def test_the_file_of_a_message_that_still_waits_is_kept_whatever_its_age(
    local: LocalHub, time: Time, tmp_path: Path, picture: tuple[InboundMedia, ...]
) -> None:
    local.provider.plan.append(SendFailed("429", "later", retryable=True))
    with_picture(local, picture)
    assert local.statuses() == ["pending"]
    time.passes(0.1)
    clean(local, attachments=0)
    assert files(tmp_path) == 1


def test_reports_on_messages_nobody_knows_go_too(local: LocalHub, time: Time) -> None:
    local.report(DeliveryReport("P-unheard-of", "failed", {"To": PERSON}))
    time.passes(1000 * DAY)
    clean(local)
    assert local.rows(MessageEvent) == []


class MeanwhileStore(MediaStore):
    """Does something else in the middle of a purge."""

    meanwhile: Callable[[], object]

    def delete(self, key: str) -> None:
        thread = threading.Thread(target=self.meanwhile)
        thread.start()
        thread.join(0.5)  # it may have to wait for the purge
        self.threads.append(thread)

    @property
    def threads(self) -> list[threading.Thread]:
        return self.__dict__.setdefault("started", [])


def test_a_text_that_comes_in_the_middle_of_a_purge_is_not_lost(
    local: LocalHub, time: Time, picture: tuple[InboundMedia, ...]
) -> None:
    with_picture(local, picture)
    time.passes(1000 * DAY)
    results: list[Any] = []
    media = MeanwhileStore("memory://meanwhile", local.hub.vault, "http://hub")
    media.meanwhile = lambda: results.append(local.text("I am back", recipient=NUMBER))
    clean(local, attachments=10_000, media=media)
    for thread in media.threads:
        thread.join(20)
    assert results == [["accepted"]]
    assert [row.text for row in local.rows(Message, Message.queue == "inbox")] == ["I am back"]


def test_more_than_fits_into_one_transaction_goes_too(
    local: LocalHub, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.retention.BATCH", 2)
    for number in range(5):
        local.converse("hello", person=f"+1555000010{number}")
    time.passes(1000 * DAY)
    assert clean(local) == Purged(0, 10, 5, 5, 5)
