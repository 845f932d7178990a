"""Scanning with clamd, over a Unix socket and over TCP."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import hub_attachments
import pytest
from hub_attachments.clamd import ScanFailed, address_of, scan
from hub_attachments.settings import AttachmentSettings
from pydantic import ValidationError

EICAR = b"EICAR test file"


def test_a_clean_file_passes(bench: Any, clamd: Any) -> None:
    data = bytes(range(256)) * 1_000
    entry, left = bench.through(data, clamav=clamd.setting, accepted_types=["*/*"])
    assert left == data
    assert "rejected" not in entry
    assert clamd.scanned == [data]


def test_an_infected_file_is_dropped(bench: Any, clamd: Any) -> None:
    turn = bench.turn(b"before", EICAR, b"after", clamav=clamd.setting)
    listed = bench.listed(turn)
    assert [entry.get("rejected") for entry in listed] == [None, "infected", None]
    assert "text" not in listed[1]
    assert [each.read() for each in turn.attachments] == [b"before", b"after"]
    assert bench.events("attachment_infected")[0]["signature"] == "Eicar-Test-Signature"


def test_an_empty_file_is_scanned_too(clamd: Any) -> None:
    assert scan(address_of(clamd.setting), b"", 5) is None
    assert clamd.scanned == [b""]


def hangs(clamd: Any, connection: socket.socket) -> None:
    clamd.released.wait(20)


def drips(clamd: Any, connection: socket.socket) -> None:
    connection.recv(10)
    while not clamd.released.wait(0.05):
        connection.sendall(b"x")


def closes(clamd: Any, connection: socket.socket) -> None:
    """At once."""


def garbage(clamd: Any, connection: socket.socket) -> None:
    connection.recv(1_000_000)
    connection.sendall(b"\xff" * 10_000)


def misleads(clamd: Any, connection: socket.socket) -> None:
    connection.recv(1_000_000)
    connection.sendall(b"stream: OK, but not quite\0")


def complains(clamd: Any, connection: socket.socket) -> None:
    connection.recv(1_000_000)
    connection.sendall(b"UNKNOWN COMMAND\0")


@pytest.mark.parametrize("behaviour", [hangs, drips, closes, garbage, misleads, complains])
def test_a_scanner_that_fails_lets_nothing_through_unless_told_so(bench: Any, clamd: Any, behaviour: Any) -> None:
    clamd.behaviour = behaviour
    began = time.monotonic()
    settings = {"clamav": clamd.setting, "clamav_timeout": 0.3}
    assert bench.through(b"text", **settings)[0]["rejected"] == "not_scanned"
    assert bench.through(b"text", clamav_on_error="accept", **settings)[1] == b"text"
    assert time.monotonic() - began < 5
    assert len(bench.events("attachment_not_scanned")) == 2


def test_a_file_that_clamd_does_not_take_was_not_scanned(bench: Any, clamd: Any) -> None:
    clamd.limit = 100_000
    settings = {"clamav": clamd.setting, "accepted_types": ["*/*"]}
    # Much more than what the socket's buffers take before clamd has replied and closed the connection.
    assert bench.through(b"\x01" * 8_000_000, **settings)[0]["rejected"] == "not_scanned"
    assert bench.events("attachment_not_scanned")[0]["reason"] in ("size_limit", "unreachable")
    assert bench.through(b"\x01" * 99_000, **settings)[1] is not None


def test_the_size_limit_is_understood(clamd: Any) -> None:
    clamd.behaviour = lambda clamd, connection: (
        connection.recv(1_000_000),
        connection.sendall(b"INSTREAM size limit exceeded. ERROR\0"),
    )
    with pytest.raises(ScanFailed, match="size_limit"):
        scan(address_of(clamd.setting), b"text", 5)


@pytest.mark.parametrize("setting", ["unix:/nowhere/clamd.ctl", "tcp:127.0.0.1:{port}", "unix:/" + "x" * 200])
def test_no_scanner_is_there(bench: Any, setting: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        setting = setting.format(port=probe.getsockname()[1])
        assert bench.through(b"text", clamav=setting)[0]["rejected"] == "not_scanned"
        assert bench.through(b"text", clamav=setting, clamav_on_error="accept")[1] == b"text"


def test_the_time_limit_of_the_turn_holds_for_scans(bench: Any, clamd: Any) -> None:
    clamd.behaviour = hangs
    began = time.monotonic()
    listed = bench.listed(bench.turn(b"1", b"2", b"3", clamav=clamd.setting, clamav_timeout=60, time_limit=1))
    assert [entry["rejected"] for entry in listed] == ["not_scanned", "no_time", "no_time"]
    assert time.monotonic() - began < 5


def test_addresses() -> None:
    assert address_of("unix:/run/clamav/clamd.ctl") == "/run/clamav/clamd.ctl"
    assert address_of("tcp:scanner.example:3310") == ("scanner.example", 3310)
    assert address_of("tcp:[::1]:3310") == ("::1", 3310)
    for wrong in ("", "unix:", "unix:run", "tcp:3310", "tcp:host:", "tcp:host:0", "tcp:host:99999", "http://host:3310"):
        with pytest.raises(ValidationError, match="unix:/path or tcp:host:port"):
            AttachmentSettings(clamav=wrong)


def test_the_test_call_pings(bench: Any, clamd: Any) -> None:
    (section,) = hub_attachments.register_sections()
    services = bench.turn().services
    done = section.test(AttachmentSettings(clamav=clamd.setting), "support", services)
    assert (done.ok, done.answer) == (True, "PONG")
    assert section.test(AttachmentSettings(), "support", services).ok
    clamd.behaviour = closes
    assert not section.test(AttachmentSettings(clamav=clamd.setting), "support", services).ok
    assert not section.test(AttachmentSettings(clamav=f"unix:{Path(__file__)}"), "support", services).ok
