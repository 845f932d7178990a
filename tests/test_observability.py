"""What somebody who runs the hub sees: health, metrics over all workers, and a log that tells all but the private."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from conftest import NUMBER, PERSON, MakeWorld, World
from doubles import texts
from prometheus_client.mmap_dict import MmapedDict
from signed import Caller, idle, message_fields, query
from sqlalchemy import NullPool, create_engine, text

from hub.testing import wait_until

ACCEPTED = 'hub_webhooks_total{channel="sms_twilio",result="accepted"}'
TEXT = "a text nobody else shall read"


def caller(world: World) -> Caller:
    return Caller(world.hub, world.twilio.auth_token)


def metrics(world: World) -> str:
    """``/metrics`` over a connection of its own, so that any worker may answer."""
    status, headers, body = ask(world, "/metrics")
    assert status == 200, world.hub.log[-2000:]
    assert headers["content-type"].startswith("text/plain")
    return body


def ask(world: World, target: str) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection("127.0.0.1", world.hub.port, timeout=20)
    try:
        connection.request("GET", target)
        with connection.getresponse() as answer:
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def value(exposition: str, line: str) -> float:
    found = re.search(rf"^{re.escape(line)} (\S+)$", exposition, re.MULTILINE)
    return float(found[1]) if found else 0.0


def text_at_once(world: World, people: list[str], body: str = "hello") -> None:
    with ThreadPoolExecutor(10) as pool:
        for message in pool.map(lambda person: world.twilio.text(person, body=body), people):
            assert [attempt.status for attempt in message.attempts] == [200]


def change_schema(world: World, statement: str) -> None:
    engine = create_engine(world.hub.environment["HUB_DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement))


# --- health ----------------------------------------------------------------------------------------------------------


def test_the_hub_is_alive_and_ready_and_says_so_without_sign_in(make_world: MakeWorld) -> None:
    world = make_world()
    assert ask(world, "/healthz")[0] == 200
    status, _, body = ask(world, "/readyz")
    assert status == 200
    assert json.loads(body) == {"status": "ok", "checks": {"store": "ok", "migrations": "ok", "engine": "ok"}}


def test_without_its_schema_the_hub_is_alive_but_not_ready(make_world: MakeWorld) -> None:
    world = make_world()
    change_schema(world, "ALTER TABLE alembic_version RENAME TO put_aside")
    assert ask(world, "/healthz")[0] == 200
    status, _, body = ask(world, "/readyz")
    assert status == 503
    assert "hub db upgrade" in json.loads(body)["checks"]["migrations"]
    change_schema(world, "ALTER TABLE put_aside RENAME TO alembic_version")
    assert ask(world, "/readyz")[0] == 200


def test_without_its_tables_the_hub_asks_the_provider_to_come_again(make_world: MakeWorld) -> None:
    world = make_world()
    for table in ("message", "integration"):
        change_schema(world, f"ALTER TABLE {table} RENAME TO {table}_put_aside")
    log = len(world.hub.log)
    assert world.twilio.text(PERSON, body=TEXT).attempts[0].status == 503
    assert ask(world, "/metrics")[0] == 503
    new = world.hub.log[log:]
    assert TEXT not in new
    assert PERSON not in new
    for table in ("message", "integration"):
        change_schema(world, f"ALTER TABLE {table}_put_aside RENAME TO {table}")
    world.twilio.text(PERSON, body="hello")
    world.wait_for_answers(1)


# --- metrics ---------------------------------------------------------------------------------------------------------


def accepted_by_worker(folder: Path) -> dict[str, float]:
    """How many texts each worker has accepted, as its own file says."""
    counts: dict[str, float] = {}
    for file in folder.glob("instance/metrics/*/counter_*.db"):
        for key, amount, *_ in MmapedDict.read_all_values_from_file(str(file)):
            _, name, labels, _ = json.loads(key)
            if name == "hub_webhooks_total" and labels["result"] == "accepted":
                counts[file.stem] = counts.get(file.stem, 0) + amount
    return counts


def test_the_counters_of_two_workers_add_up_whichever_answers(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(workers=2)
    people = [f"+1555000{9000 + number}" for number in range(40)]
    text_at_once(world, people)
    world.wait_for_answers(40)
    idle(world.hub)
    sent = 40
    # Which worker takes a connection is up to the kernel; go on until both have taken texts.
    while len(accepted_by_worker(tmp_path)) < 2:
        assert sent < 400, "one worker takes everything"
        text_at_once(world, people, f"hello {sent}")
        sent += 40
    idle(world.hub)
    assert sum(accepted_by_worker(tmp_path).values()) == sent
    for _ in range(20):
        exposition = metrics(world)
        assert value(exposition, ACCEPTED) == sent
        assert value(exposition, 'hub_turns_total{assistant="test",result="answered"}') == sent
        assert value(exposition, 'hub_sends_total{channel="sms_twilio",code="",result="accepted"}') == sent
        assert value(exposition, "hub_lanes_waiting") == 0


def test_the_counters_survive_the_death_of_a_worker(make_world: MakeWorld) -> None:
    world = make_world()
    text_at_once(world, [f"+1555000{9000 + number}" for number in range(10)])
    assert value(metrics(world), ACCEPTED) == 10
    world.hub.kill_worker()
    world.twilio.text(PERSON, body="hello")
    wait_until(lambda: value(metrics(world), ACCEPTED) == 11, what="the counter of both workers")


def test_a_scrape_while_a_worker_is_just_starting_is_answered(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world()
    world.twilio.text(PERSON, body="hello")
    (folder,) = (tmp_path / "instance" / "metrics").iterdir()
    (folder / "counter_99999999.db").touch()  # a worker makes its file first and fills it then
    assert value(metrics(world), ACCEPTED) == 1


def test_the_gauges_show_what_waits(make_world: MakeWorld) -> None:
    world = make_world(environment={"HUB_TURN_THREADS": "0"})
    assert value(metrics(world), "hub_oldest_waiting_message_seconds") == 0
    people = [f"+1555000{9000 + number}" for number in range(3)]
    text_at_once(world, [*people, people[0]])
    exposition = metrics(world)
    assert value(exposition, "hub_lanes_waiting") == 3
    first = value(exposition, "hub_oldest_waiting_message_seconds")
    assert 0 < first < 30
    wait_until(lambda: value(metrics(world), "hub_oldest_waiting_message_seconds") > first, what="an older text")
    world.hub.kill()
    world.hub.start({"HUB_TURN_THREADS": "8"})
    world.wait_for_answers(4)
    idle(world.hub)
    exposition = metrics(world)
    assert value(exposition, "hub_lanes_waiting") == 0
    assert value(exposition, "hub_oldest_waiting_message_seconds") == 0


def test_failures_are_counted_by_what_failed(make_world: MakeWorld) -> None:
    world = make_world(plugins="twilio,scripted,hooked")
    world.assistant.script = lambda request: 500 if request["input"]["text"] == "fails" else texts("ok")
    for position, body in enumerate(("fails", "pre raises")):
        world.twilio.text(f"+1555000900{position}", body=body)
    world.twilio.text("+15005550001", body="hello")  # Twilio refuses to text this number
    idle(world.hub)
    status = caller(world)
    assert status.post("/webhooks/test-sms/message", message_fields(world.twilio.account_sid), signed=False) == 403
    status.close()
    exposition = metrics(world)
    assert value(exposition, 'hub_turns_total{assistant="test",result="failed"}') == 1
    assert value(exposition, 'hub_hook_failures_total{hook="premessage",plugin="hooked"}') == 1
    assert value(exposition, 'hub_sends_total{channel="sms_twilio",code="21211",result="failed"}') == 1
    assert value(exposition, 'hub_webhooks_total{channel="sms_twilio",result="refused"}') == 1


# --- the log ---------------------------------------------------------------------------------------------------------


def make_busy(make_world: MakeWorld) -> World:
    """A hub to which nearly everything has happened that it writes to its log."""
    world = make_world(plugins="twilio,scripted,hooked", settings={"replies_per_minute": 3})
    answers = {"fails": 500, "picture": 410}

    def script(request: dict[str, Any]) -> Any:
        return next((answer for word, answer in answers.items() if word in request["input"]["text"]), texts(TEXT))

    world.assistant.script = script
    picture = f"{world.assistant.url}picture?token=media-secret"
    for body in (TEXT, f"{TEXT} fails", "raise!", "pre raises", "hello"):
        world.twilio.text(PERSON, body=body)
    idle(world.hub)  # a STOP keeps back what has not left yet
    for body in ("STOP", "hello", "START"):
        world.twilio.text(PERSON, body=body)
    world.twilio.text("+15005550001", body="hello")
    world.twilio.text("+15005550004", body="hello")
    calls = caller(world)
    account = world.twilio.account_sid
    for target, changes, signed in (
        ("message", {"To": "+15559999999"}, True),
        ("message", {}, False),
        ("message", {"AccountSid": "AC" + "0" * 32}, True),
        ("message", {"From": ""}, True),
        ("message", {"NumMedia": "1", "MediaUrl0": picture}, True),
        ("status", {"MessageStatus": "teleported"}, True),
    ):
        calls.post(f"/webhooks/test-sms/{target}", message_fields(account, PERSON, TEXT, **changes), signed=signed)
    calls.close()
    idle(world.hub)
    return world


def test_the_log_is_json_and_holds_neither_numbers_nor_texts_nor_secrets(make_world: MakeWorld) -> None:
    busy = make_busy(make_world)
    log = busy.hub.log
    for event in events(busy):
        assert {"event", "level", "timestamp"} <= set(event)
    assert {"webhook_accepted", "webhook_refused", "webhook_malformed", "turn_answered", "turn_failed", "hook_failed",
            "message_sent", "message_not_sent", "assistant_raised", "attachment_not_fetched", "loop_guard"} <= {
        event["event"] for event in events(busy)
    }  # fmt: skip
    token = busy.hub.environment["HUB_SECRET_KEYS"]
    for secret in (PERSON, NUMBER, "+15005550001", "+15005550004", "+15559999999", TEXT, busy.twilio.auth_token, token):
        assert secret not in log
    assert PERSON.lstrip("+") not in log
    assert "media-secret" not in log
    assert "+*******0002" in log


def events(world: World) -> list[dict[str, Any]]:
    """Every line of the log; all of them are JSON."""
    return [json.loads(line) for line in world.hub.log.splitlines()]


def test_one_correlation_id_leads_from_the_webhook_to_the_delivery(make_world: MakeWorld) -> None:
    world = make_world()
    for person in (PERSON, "+15550009999"):
        world.twilio.text(person, body="hello")
    world.wait_for_answers(2)
    idle(world.hub)
    webhooks = [event for event in world.hub.events("webhook_accepted") if event["endpoint"] == "message"]
    assert len({event["correlation"] for event in webhooks}) == 2
    for webhook in webhooks:
        same = [event["event"] for event in events(world) if event.get("correlation") == webhook["correlation"]]
        assert same == ["webhook_accepted", "turn_answered", "message_sent"]
        wanted = "SELECT direction FROM message WHERE correlation = :correlation ORDER BY id"
        kept = query(world.hub, wanted, correlation=webhook["correlation"])
        assert [row.direction for row in kept] == ["inbound", "outbound"]


def test_the_report_on_a_delivery_carries_the_same_correlation_id(make_world: MakeWorld) -> None:
    world = make_world()
    world.twilio.text(PERSON, body="hello")
    reported = 'hub_webhooks_total{channel="sms_twilio",result="report"}'
    wait_until(lambda: value(metrics(world), reported) == 3, what="the reports")
    (webhook,) = [event for event in world.hub.events("webhook_accepted") if event["endpoint"] == "message"]
    lines = [event for event in events(world) if event.get("correlation") == webhook["correlation"]]
    assert len(lines) == 3 + 3
