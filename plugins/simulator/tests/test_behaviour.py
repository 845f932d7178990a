"""Failures on demand, in the test server and in gunicorn."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hub_simulator.account import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN
from hub_simulator.testing import RunningSimulator

FORM = {"To": "+15550000002", "From": "+15550000001", "Body": "hello"}
PATH = f"/2010-04-01/Accounts/{DEMO_ACCOUNT_SID}/Messages.json"
AUTH = (DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN)


@pytest.fixture(scope="module")
def gunicorn() -> Iterator[str]:
    """The command as people run it; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = (
        f"from hub_simulator.command import simulator; simulator(['--port', '{port}', '--message-url', 'http://127.0.0.1:1/'])"
    )
    with subprocess.Popen([sys.executable, "-c", run], stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        found = re.search(r"http://[^/]+", process.stdout.readline())
        assert found
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.fixture
def memory() -> Iterator[str]:
    with RunningSimulator() as twilio:
        yield twilio.url


@pytest.fixture(params=["memory", "gunicorn"])
def server(request: pytest.FixtureRequest) -> str:
    """Both ways to serve the simulator must fail alike."""
    url: str = request.getfixturevalue(request.param)
    return url


def behave(server: str, *rules: dict[str, Any]) -> None:
    requests.put(f"{server}/simulator/behaviour", json={"rules": rules}, timeout=5).raise_for_status()


def create(server: str, session: Any = requests, **more: str) -> requests.Response:
    answer: requests.Response = session.post(server + PATH, data=FORM | more, auth=AUTH, timeout=5)
    return answer


def taken(server: str, body: str) -> int:
    messages = requests.get(f"{server}/simulator/messages", timeout=5).json()["messages"]
    return len([message for message in messages if message["body"] == body])


@pytest.mark.parametrize("accept", [True, False])
def test_a_connection_can_be_reset_before_or_after_the_message_was_taken(server: str, accept: bool) -> None:
    body = f"reset {accept}"
    behave(server, {"do": "reset", "accept": accept, "times": 2})
    with requests.Session() as session:
        for _ in range(2):
            with pytest.raises(requests.ConnectionError, match="reset"):
                create(server, session, Body=body)
        assert create(server, session, Body=body).status_code == 201
    assert taken(server, body) == (3 if accept else 1)


@pytest.mark.parametrize("accept", [True, False])
def test_a_request_can_stay_without_an_answer(server: str, accept: bool) -> None:
    body = f"hang {accept}"
    behave(server, {"do": "hang", "seconds": 2, "accept": accept, "times": 1})
    with pytest.raises(requests.Timeout):
        requests.post(server + PATH, data=FORM | {"Body": body}, auth=AUTH, timeout=0.2)
    assert taken(server, body) == (1 if accept else 0)


def test_a_status_has_the_code_that_goes_with_it(server: str) -> None:
    behave(
        server,
        {"do": "status", "status": 429, "times": 1, "headers": {"Retry-After": "1"}},
        {"do": "status", "status": 400, "code": 21610, "times": 1},
        {"do": "status", "status": 500, "times": 1, "accept": True},
        {"do": "status", "times": 1},
    )
    answers = [create(server, Body="status") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [429, 400, 500, 503, 201]
    assert [answer.json().get("code") for answer in answers] == [20429, 21610, 20500, 20503, None]
    assert answers[0].headers["Retry-After"] == "1"
    assert taken(server, "status") == 2


def test_rules_choose_their_requests(server: str) -> None:
    behave(
        server,
        {"match": {"to": "+15550000003"}, "do": "status"},
        {"match": {"body_contains": "bad"}, "do": "status", "status": 500},
        {"on": "list", "do": "status", "status": 429},
    )
    assert create(server).status_code == 201
    assert create(server, To="+15550000003").status_code == 503
    assert create(server, Body="a bad day").status_code == 500
    assert requests.get(server + PATH, auth=AUTH, timeout=5).status_code == 429


def test_slow_is_slow_and_then_normal(server: str) -> None:
    behave(server, {"do": "slow", "seconds": 0.1})
    answer = create(server)
    assert answer.status_code == 201
    assert answer.elapsed.total_seconds() >= 0.1


def test_without_credentials_nothing_is_on_demand(server: str) -> None:
    behave(server, {"do": "status"})
    assert requests.post(server + PATH, data=FORM, timeout=5).status_code == 401


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"rule": []}, "rule"),
        ({"rules": [{"do": "explode"}]}, "rules.0.do"),
        ({"rules": [{"do": "reset", "match": {"form": "x"}}]}, "rules.0.match.form"),
        ({"callbacks": {"loss": 2}}, "callbacks.loss"),
    ],
)
def test_a_wrong_document_is_refused_and_names_the_key(memory: str, document: Any, key: str) -> None:
    answer = requests.put(f"{memory}/simulator/behaviour", json=document, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(key + ":")


def test_the_document_in_force_can_be_read_and_put_back(memory: str) -> None:
    behave(memory, {"do": "reset", "match": {"from": "+15550000001"}})
    document = requests.get(f"{memory}/simulator/behaviour", timeout=5).json()
    assert document["rules"][0]["match"]["from"] == "+15550000001"
    assert requests.put(f"{memory}/simulator/behaviour", json=document, timeout=5).json() == document
