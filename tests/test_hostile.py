"""Requests that no provider would send, against a real hub under gunicorn.

Whatever comes: the answer is a refusal (or what HTTP allows), nothing is stored, no traceback and nothing secret
stands in the log, and the worker's memory stays as it is. How assistants and hooks misbehave is in
``test_hostile_assistants``.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from conftest import NUMBER, TEST_PLUGINS
from cryptography.fernet import Fernet
from doubles import ScriptedAssistant
from hub_simulator.testing import RunningSimulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signed import FORM, Caller, idle, message_fields, query, request, rows, send, signature
from sqlalchemy import create_engine, text

from hub.testing import RunningHub
from hub.vault import Vault

CANARY = "canary-3f9c1e"
OTHER_ACCOUNT = "AC" + "0" * 32
MAX_REQUEST_BYTES = 262_144
MEMORY_BYTES = 15_000_000
STRICT, LAX = "/webhooks/strict/message", "/webhooks/lax/message"
STATUS = "/webhooks/strict/status"


@dataclass
class Site:
    """The hub with a strict and a lenient (``signature = report``) integration, and who calls it."""

    hub: RunningHub
    twilio: RunningSimulator
    assistant: ScriptedAssistant
    caller: Caller

    def fields(self, **changes: str) -> list[tuple[str, str]]:
        return message_fields(self.twilio.account_sid, **{"body": CANARY, **changes})

    def signed(
        self, fields: list[tuple[str, str]], target: str = STRICT, body: bytes | None = None, **more: Any
    ) -> bytes:
        """A signed request; `body` replaces the form, which stays what is signed."""
        headers = [("X-Twilio-Signature", signature(self.twilio.auth_token, self.hub.url + target, fields))]
        return request(target, urlencode(fields).encode() if body is None else body, headers=headers, **more)


def start(stack: ExitStack, folder: Path, environment: dict[str, str]) -> Site:
    twilio = stack.enter_context(RunningSimulator(numbers=(NUMBER,)))
    twilio.behave(callbacks={"loss": 1.0})  # the only reports are those of the tests
    assistant = stack.enter_context(ScriptedAssistant())
    path = os.pathsep.join([str(TEST_PLUGINS), os.environ.get("PYTHONPATH", "")])
    plugins = {"HUB_PLUGINS": "twilio,scripted", "PYTHONPATH": path}
    hub = stack.enter_context(RunningHub(folder, {**plugins, **environment}, threads=8))
    account = {"account_sid": twilio.account_sid, "auth_tokens": [twilio.auth_token], "base_url": twilio.url}
    common = {**account, "phone_numbers": [NUMBER]}
    one = {"channel": "sms_twilio", "assistant": "test"}
    hub.apply(
        {
            "assistant": {"test": {"plugin": "scripted", "settings": {"url": assistant.url}}},
            "integration": {
                "strict": {**one, "settings": common},
                "lax": {**one, "settings": {**common, "signature": "report"}},
                "quiet": {**one, "settings": {**common, "initiate_from_inbound": False}},
            },
        }
    )
    caller = Caller(hub, twilio.auth_token)
    stack.callback(caller.close)
    return Site(hub, twilio, assistant, caller)


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield start(stack, tmp_path_factory.mktemp("hub"), {})


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Site]:
    server = create_engine(
        postgres_server.replace("postgresql://", "postgresql+psycopg://", 1), isolation_level="AUTOCOMMIT"
    )
    name = f"hostile_{uuid.uuid4().hex}"
    with ExitStack() as stack:
        stack.callback(server.dispose)
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        url = server.url.set(database=name).render_as_string(hide_password=False)
        yield start(stack, tmp_path_factory.mktemp("hub"), {"HUB_DATABASE_URL": url})


@pytest.fixture(params=["on_sqlite", "on_postgresql"])
def anywhere(request: pytest.FixtureRequest) -> Site:
    site: Site = request.getfixturevalue(request.param)
    return site


@pytest.fixture
def site(on_sqlite: Site) -> Site:
    return on_sqlite


@pytest.fixture(autouse=True)
def clean_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test: neither a traceback nor a secret nor what somebody wrote stands in the log."""
    name = next(each for each in ("anywhere", "site") if each in request.fixturenames)
    site: Site = request.getfixturevalue(name)
    before = len(site.hub.log)
    yield
    new = site.hub.log[before:]
    assert "Traceback" not in new, new[new.find("Traceback") - 300 :][:3000]
    for secret in (site.twilio.auth_token, site.hub.environment["HUB_SECRET_KEYS"], CANARY):
        assert secret not in new


# --- one hostile request after the other -----------------------------------------------------------------------------

Case = Callable[[Site], bytes]
CHUNKED = [("Transfer-Encoding", "chunked")]


def chunks(body: bytes, size: int = 65_536) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def many(count: int) -> list[tuple[str, str]]:
    return [(f"Field{number}", CANARY) for number in range(count)]


def form(fields: list[tuple[str, str]]) -> bytes:
    return urlencode(fields).encode()


def without(site: Site, *names: str, **more: str) -> list[tuple[str, str]]:
    return [field for field in site.fields(**more) if field[0] not in names]


def with_headers(*headers: tuple[str, str], target: str = STRICT) -> Case:
    return lambda site: request(target, form(site.fields()), headers=headers)


def as_target(target: str) -> Case:
    return lambda site: request(target, form(site.fields()))


def by_method(method: str) -> Case:
    return lambda site: request(STRICT, form(site.fields()), method=method)


def to_another_address(site: Site) -> bytes:
    return site.signed(site.fields(), STATUS).replace(b"/status", b"/message", 1)


def signed_json(site: Site) -> bytes:
    body = json.dumps(dict(site.fields())).encode()
    target = f"{STRICT}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    return site.signed([], target, body, kind="application/json")


def raw_nul(site: Site) -> bytes:
    fields = site.fields(body=f"{CANARY}\0more")
    return site.signed(fields, body=form(fields).replace(b"%00", b"\0"))


def media(token: Callable[[Site], str]) -> Case:
    return lambda site: request(f"/media/{token(site)}", method="GET", kind=None)


METHODS = ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "FOO")
NOISE = random.Random(7).randbytes(50_000).hex()
SHARED_KEY = ("X-Twilio-Webhooks-Signature-Settings", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256")
CASES: dict[str, tuple[Case, set[int | None]]] = {
    # who says that it is Twilio
    "no signature": (with_headers(), {403}),
    "an empty signature": (with_headers(("X-Twilio-Signature", "")), {403}),
    "a wrong signature": (with_headers(("X-Twilio-Signature", "wrong " * 50)), {403}),
    "a signature in Latin-1": (with_headers(("X-Twilio-Signature", "\u00c3\u00a9")), {400, 403}),
    "a signature of another address": (to_another_address, {403}),
    "a signature of other fields": (lambda s: s.signed(s.fields(), body=form(s.fields(Body="changed"))), {403}),
    "an unknown shared key": (with_headers(SHARED_KEY, ("X-Twilio-Signature", "x")), {403}),
    "another account": (lambda s: s.signed(s.fields(AccountSid=OTHER_ACCOUNT)), {403}),
    "no account": (lambda s: s.signed(without(s, "AccountSid")), {403}),
    "an unknown number": (lambda s: s.signed(s.fields(To="+15559999999")), {403}),
    "a number of 100 kB": (lambda s: s.signed(s.fields(To="+1" + "5" * 100_000)), {400, 403}),
    "a sender of 100 kB": (lambda s: s.signed(s.fields(From="+1" + "5" * 100_000)), {400, 403}),
    "a message id of 100 kB": (lambda s: s.signed(s.fields(MessageSid=NOISE)), {400, 403}),
    "no sender": (lambda s: s.signed(without(s, "From")), {400}),
    "no message id": (lambda s: s.signed(without(s, "MessageSid")), {400}),
    # what is in the body
    "broken UTF-8": (lambda s: s.signed(s.fields(), body=form(s.fields()) + b"&More=%ff%fe"), {400, 403}),
    "a lone surrogate": (lambda s: s.signed(s.fields(), body=form(s.fields()) + b"&More=%ed%a0%80"), {400, 403}),
    "bytes that are no ASCII": (lambda s: s.signed(s.fields(), body=form(s.fields()) + b"&More=\xff"), {400, 403}),
    "an escaped NUL": (lambda s: s.signed(s.fields(body=f"{CANARY}\0more")), {400}),
    "a raw NUL": (raw_nul, {400}),
    "1 MB": (lambda s: s.signed(s.fields(body="x" * 1_000_000)), {413}),
    "1 MB in chunks": (lambda s: request(STRICT, chunks(b"x" * 2**20), headers=CHUNKED), {413}),
    "10,000 fields": (lambda s: s.signed(many(10_000)), {413}),
    "501 fields": (lambda s: s.signed([*s.fields(), *many(501 - 7)]), {413}),
    "no fields": (lambda s: s.signed([]), {403}),
    "half a body": (lambda s: s.signed(s.fields())[:-20], {400, 403, None}),
    "half a chunk": (lambda s: request(STRICT, b"fff\r\nhalf", headers=CHUNKED), {400, 403, None}),
    "a chunk of no size": (lambda s: request(STRICT, b"zz\r\nno\r\n0\r\n\r\n", headers=CHUNKED), {400, None}),
    "a chunk without its end": (lambda s: request(STRICT, b"2\r\nnoXX0\r\n\r\n", headers=CHUNKED), {400, None}),
    "a length and chunks": (with_headers(*CHUNKED, ("Content-Length", "3")), {400}),
    "a negative length": (with_headers(("Content-Length", "-1")), {400}),
    # of what kind
    "JSON": (signed_json, {400}),
    "JSON without its hash": (lambda s: s.signed([], body=b"{}", kind="application/json"), {403}),
    "multipart": (lambda s: s.signed(s.fields(), kind="multipart/form-data; boundary=x"), {400}),
    "plain text": (lambda s: s.signed(s.fields(), kind="text/plain"), {400}),
    "no content type": (lambda s: s.signed(s.fields(), kind=None), {400}),
    "a strange charset": (lambda s: s.signed(s.fields(), STATUS, kind=f"{FORM}; charset=utf-7"), {400}),
    # how and where
    **{f"method {each}": (by_method(each), {405}) for each in METHODS},
    "method OPTIONS": (by_method("OPTIONS"), {200}),
    "method in small letters": (by_method("post"), {400, 405}),
    "a header of 20 kB": (with_headers(("X-Long", "x" * 20_000)), {431}),
    "200 headers": (with_headers(*((f"X-{number}", "x") for number in range(200))), {431}),
    "a header with a blank": (with_headers(("X Y", CANARY)), {400}),
    "a target of 9 kB": (as_target(f"{STRICT}?{'x' * 9000}"), {414}),
    "two slashes first": (as_target(f"/{STRICT}"), {403, 404}),
    "two slashes inside": (as_target("/webhooks//strict/message"), {403, 404}),
    "a slash at the end": (as_target(f"{STRICT}/"), {404}),
    "an absolute address": (as_target(f"http://hub.example{STRICT}"), {403}),
    "an escaped slash": (as_target("/webhooks/strict%2Fmessage"), {403, 404}),
    "dots": (as_target("/webhooks/../webhooks/strict/message"), {404}),
    "a query of garbage": (as_target(f"{STRICT}?%zz=%&&==;?#"), {403}),
    "a bare question mark": (as_target(f"{STRICT}?"), {403}),
    "a star": (as_target("*"), {400, 404}),
    "no path": (as_target("message"), {400}),
    "an unknown integration": (as_target("/webhooks/nobody/message"), {404}),
    "an integration with a NUL": (as_target("/webhooks/strict%00/message"), {404}),
    "an integration that is no UTF-8": (as_target("/webhooks/%ff%ed%a0%80/message"), {404}),
    "an unknown endpoint": (as_target("/webhooks/strict/call"), {404}),
    # reports on deliveries
    "a report without a signature": (as_target(f"{STATUS}?message={uuid.UUID(int=7)}"), {403}),
    "a report of an unknown status": (lambda s: s.signed(s.fields(MessageStatus="teleported"), STATUS), {400}),
    "a report on no message": (lambda s: s.signed(without(s, "MessageSid", MessageStatus="sent"), STATUS), {400}),
    # attachments
    "a made-up token": (media(lambda s: "abc.def.ghi"), {404}),
    "an empty token": (media(lambda s: ""), {404}),
    "a token of 3 kB": (media(lambda s: "x" * 3000), {404}),
    "a token with a NUL": (media(lambda s: "%00.%00.%00"), {404}),
    "a token that is no UTF-8": (media(lambda s: "%ff%ed%a0%80"), {404}),
    "a token that climbs": (media(lambda s: "..%2f..%2fhub.sqlite3"), {404}),
    "a token of another key": (media(lambda s: Vault([Fernet.generate_key().decode()]).sign(uuid.uuid4().hex)), {404}),
    "a token of no attachment": (media(lambda s: Vault([s.hub.environment["HUB_SECRET_KEYS"]]).sign("0" * 32)), {404}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_and_nothing_is_stored(anywhere: Site, name: str) -> None:
    case, allowed = CASES[name]
    idle(anywhere.hub)
    before = rows(anywhere.hub)
    status = send(anywhere.hub.port, case(anywhere), hang_up="half" in name)
    assert status in allowed
    assert rows(anywhere.hub) == before


def test_thousands_of_them_change_neither_the_messages_nor_the_memory(site: Site) -> None:
    def everything(times: int) -> None:
        for _ in range(times):
            for case, _ in CASES.values():
                send(site.hub.port, case(site), hang_up=True)

    idle(site.hub)
    listed, before = site.hub.messages(), rows(site.hub)
    everything(10)
    warm = site.hub.memory()
    everything(2000 // len(CASES))
    assert site.hub.memory() - warm < MEMORY_BYTES
    assert (site.hub.messages(), rows(site.hub)) == (listed, before)


def test_numbers_of_many_digits_do_not_stay_in_memory_or_fill_the_log(site: Site) -> None:
    before, log = site.hub.memory(), len(site.hub.log)
    for digit in range(100):
        fields = site.fields(To=f"+{digit}" + "5" * 200_000)
        assert site.caller.post(LAX, fields, signed=False) in (400, 403)
    assert site.hub.memory() - before < MEMORY_BYTES
    assert len(site.hub.log) - log < 100 * 2_000


# --- the same text twice, and texts that are let through -------------------------------------------------------------


def test_the_same_request_twice_is_answered_alike_and_is_one_turn(site: Site) -> None:
    fields = site.fields(person="+15550003001")
    assert [site.caller.post(STRICT, fields) for _ in range(2)] == [200, 200]
    idle(site.hub)
    assert [message.body for message in site.twilio.messages(to="+15550003001")] == [f"echo {CANARY}"]
    accepted = [message for message in site.hub.messages("+15550003001") if message["direction"] == "inbound"]
    assert len(accepted) == 1


@pytest.mark.parametrize("target", [f"{STRICT}?", f"{STRICT}?a=%7E%c3%a9&&b", f"{STRICT}?x='[1]'"])
def test_a_strange_address_that_is_signed_as_it_is_passes(site: Site, target: str) -> None:
    assert send(site.hub.port, site.signed(site.fields(person="+15550003002"), target)) == 200
    idle(site.hub)


def test_500_fields_are_taken(site: Site) -> None:
    fields = [*site.fields(person="+15550003003"), *many(493)]
    assert site.caller.post(STRICT, fields) == 200
    idle(site.hub)


def test_in_report_mode_a_wrong_signature_is_let_through_logged_and_counted(site: Site) -> None:
    line = 'hub_webhooks_total{channel="sms_twilio",result="signature_reported"}'
    before, events = site.caller.metric(line), len(site.hub.events("signature_reported"))
    assert site.caller.post(LAX, site.fields(person="+15550003004"), signed=False) == 200
    idle(site.hub)
    assert [message.body for message in site.twilio.messages(to="+15550003004")] == [f"echo {CANARY}"]
    assert site.caller.metric(line) == before + 1
    assert [event["integration"] for event in site.hub.events("signature_reported")[events:]] == ["lax"]


def test_in_report_mode_another_account_or_number_is_refused_all_the_same(site: Site) -> None:
    before = rows(site.hub)
    assert site.caller.post(LAX, site.fields(AccountSid=OTHER_ACCOUNT), signed=False) == 403
    assert site.caller.post(LAX, site.fields(To="+15559999999"), signed=False) == 403
    assert rows(site.hub) == before


def test_a_body_that_was_cut_off_is_never_taken_for_the_whole(site: Site) -> None:
    before = rows(site.hub)
    send(site.hub.port, request(LAX, form(site.fields()))[:-5], hang_up=True)
    idle(site.hub)
    assert rows(site.hub) == before


def test_chunks_beyond_the_limit_are_refused_and_not_cut_off(site: Site) -> None:
    before = rows(site.hub)
    body = form(site.fields(body="x" * MAX_REQUEST_BYTES))
    assert send(site.hub.port, request(LAX, chunks(body), headers=CHUNKED)) == 413
    idle(site.hub)
    assert rows(site.hub) == before


# --- reports on messages of somebody else ----------------------------------------------------------------------------


def test_a_report_changes_no_message_of_another_integration_and_no_text_of_a_person(site: Site) -> None:
    assert site.caller.post(LAX, site.fields(person="+15550003005"), signed=False) == 200
    idle(site.hub)
    before = site.hub.messages("+15550003005")
    assert [message["status"] for message in before] == ["received", "queued"]
    for message in before:
        fields = site.fields(MessageSid=message["provider_id"], MessageStatus="read")
        assert site.caller.post(f"{STATUS}?message={message['id']}", fields) == 200
        assert site.caller.post(STATUS, fields) == 200
    assert site.hub.messages("+15550003005") == before


def test_a_report_that_names_two_messages_is_no_error_of_the_hub(anywhere: Site) -> None:
    # Twilio refuses to text this number, so the answer to it never gets a provider id.
    refused, person = "+15005550001", "+15550003006"
    assert anywhere.caller.post(STRICT, anywhere.fields(person=refused)) == 200
    assert anywhere.caller.post(STRICT, anywhere.fields(person=person)) == 200
    idle(anywhere.hub)
    found = "SELECT id, provider_id FROM message WHERE direction = 'outbound' AND recipient = :person"
    ours = query(anywhere.hub, found, person=refused)[0].id
    theirs = query(anywhere.hub, found, person=person)[0].provider_id
    fields = anywhere.fields(MessageSid=theirs, MessageStatus="read")
    status = anywhere.caller.post(f"{STATUS}?message={uuid.UUID(str(ours))}", fields)
    assert status < 500


# --- fuzz ------------------------------------------------------------------------------------------------------------

NAMES = ("AccountSid", "MessageSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "MediaContentType0", "OptOutType",
         "MessageStatus", "SmsSid", "SmsStatus", "ErrorCode", "NumSegments", "MessagingServiceSid")  # fmt: skip
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VALUES = WORDS | st.sampled_from(["", "0", "-1", "999999", "٣", "STOP", "sent", "http://127.0.0.1:1/x", "+15550000001"])
FUZZ = st.lists(st.tuples(st.sampled_from(NAMES) | WORDS, VALUES), max_size=12)
TARGETS = st.sampled_from(["message", "status", "call", "", "message?a=b", "status?message=x", "status?message=%00"])
ROUNDS = settings(
    max_examples=400, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ROUNDS
@given(fields=FUZZ, target=TARGETS)
def test_no_fields_without_a_signature_are_ever_taken(site: Site, fields: list[tuple[str, str]], target: str) -> None:
    before = rows(site.hub)
    status = site.caller.post(f"/webhooks/strict/{target}", [*site.fields(), *fields], signed=False)
    assert status in (400, 403, 404)
    assert rows(site.hub) == before


@ROUNDS
@given(fields=FUZZ, target=TARGETS)
def test_no_signed_fields_are_an_error_of_the_hub(site: Site, fields: list[tuple[str, str]], target: str) -> None:
    # This integration starts no conversation, so that nothing goes on when the test is over.
    status = site.caller.post(f"/webhooks/quiet/{target}", [*site.fields(), *fields])
    assert status in (200, 400, 403, 404)
