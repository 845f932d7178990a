"""Acceptance cases of the webhooks: before a message, after it, and for logs; with every way to sign in.

A person texts at the simulated Twilio; the hub under gunicorn calls the webhooks and the assistant, all over HTTP, and
the answer leaves through Twilio's API. Each test names its case, or the rule it is about where there is none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from acceptance import JPEG
from conftest import PERSON, TEST_PLUGINS
from doubles import texts
from oauth_server import OAuthServer, TokenRequest
from signed import query
from watson_service import Reply, WatsonService, said
from webhook_double import FAILURE, PATIENCE, Got, Site, WebhookDouble, running

from hub.testing import RunningHub, free_port, wait_until

MARK = "hush"
"""Every secret of these tests holds it, so that one look finds any of them."""
LOG_SECRET = f"{MARK}-log-0123456789-0123456789-0123456789"
OWN_AUTHORIZATION = f"Splunk {MARK}-own"
API_KEY = f"{MARK}-api-key"
CLIENT_SECRET = f"{MARK}-client-secret"
USER_ID = hashlib.md5(PERSON.encode()).hexdigest()
SKIP = {"X-Watson-Assistant-Webhook-Return": "true"}
UNREACHABLE = "Processor Exception : [connections to all backends failing]"
INVALID_JSON = "Webhook responded with invalid JSON body"
NOT_VALID = "Error validating webhook response"
TIMED_OUT = "Webhook timed out after 1 seconds"
TOKEN_SECONDS = 1
FAIL = {"on_error": "fail"}
LOG = {"secret": LOG_SECRET, "subscribe": ["messages"]}


def status(code: int) -> str:
    return f"Webhook responded with [{code}] status code"


def sections(oauth: OAuthServer) -> dict[str, dict[str, dict[str, Any]]]:
    """An assistant for each test, so that it sees all the calls it caused, and no others."""
    nobody = f"http://127.0.0.1:{free_port()}/hook"
    client = {
        "type": "oauth2", "grant": "client_credentials", "client_auth": "body", "client_id": "hub",
        "client_secret": CLIENT_SECRET, "scope": "read write", "token_url": oauth.url,
        "refresh_url": f"{oauth.root}/refresh",
    }  # fmt: skip
    return {
        "pre": {"premessage": FAIL},
        "post": {"postmessage": FAIL},
        "both": {"premessage": FAIL, "postmessage": FAIL},
        "continues": {"premessage": {"on_error": "continue"}, "postmessage": {"on_error": "continue"}},
        "fails": {"premessage": FAIL},
        "post-fails": {"postmessage": FAIL},
        "slow-continues": {"premessage": {"timeout": 1}},
        "slow-fails": {"premessage": {"timeout": 1, **FAIL}},
        "down-continues": {"premessage": {"url": nobody}},
        "down-fails": {"premessage": {"url": nobody, **FAIL}},
        "ibm": {"postmessage": FAIL},
        "skips": {"premessage": FAIL, "postmessage": FAIL},
        "skips-also": {"premessage": FAIL, "postmessage": {"after_skip": True, **FAIL}},
        "picture": {"premessage": FAIL},
        "oauth": {"premessage": {"auth": client, **FAIL}},
        "api-key": {"premessage": {"auth": {"type": "api_key", "name": "x-api-key", "key": API_KEY}, **FAIL}},
        "leaky": {"premessage": {"auth": {"type": "bearer", "token": f"{MARK}-bearer"}, "headers": {"X-Own": MARK}}},
        "log": {"log": LOG},
        "log-own": {"log": {"subscribe": ["messages"], "headers": {"Authorization": OWN_AUTHORIZATION}, **LOG}},
        "log-hangs": {"log": LOG},
        "log-private": {"log": LOG},
        "log-rewritten": {"premessage": FAIL, "log": LOG},
    }


@pytest.fixture(scope="module")
def oauth() -> Iterator[OAuthServer]:
    """Gives tokens that are over soon."""
    with OAuthServer() as server:
        server.script = lambda request: tokens(server, request)
        yield server


@pytest.fixture(scope="module")
def ibm() -> Iterator[WatsonService]:
    with WatsonService() as service:
        yield service


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, oauth: OAuthServer, ibm: WatsonService) -> Iterator[Site]:
    watson = {
        "plugin": "watson",
        "settings": {"url": ibm.url, "iam_url": ibm.root, "auth": "none", "assistant_id": "ibm"},
    }
    with (
        WebhookDouble() as hooks,
        running(tmp_path_factory.mktemp("hub"), hooks, sections(oauth), {"ibm": watson}) as site,
    ):
        yield site


def tokens(oauth: OAuthServer, request: TokenRequest) -> dict[str, Any]:
    number = len(oauth.requests)
    access, refresh = f"{MARK}-access-{number}", f"{MARK}-refresh-{number}"
    return oauth.give(request, access_token=access, refresh_token=refresh, expires_in=TOKEN_SECONDS)


def refusal(hub: RunningHub, table: dict[str, Any]) -> str:
    """What ``hub apply`` says to a pre-message webhook it rejects; nothing of the file may be taken."""
    with pytest.raises(RuntimeError, match=r"hub\.toml ended with 2: ") as caught:
        hub.apply({"assistant": {"rejected": {"plugin": "scripted", "settings": {"url": "x"}, "premessage": table}}})
    assert query(hub, "SELECT count(*) FROM assistant WHERE name = 'rejected'")[0][0] == 0
    return str(caught.value)


def text_becomes(text: str) -> dict[str, Any]:
    return {"payload": {"input": {"text": text}}}


def kinds_of_private(value: Any, path: str = "") -> list[str]:
    """Where in a document something is called private."""
    if isinstance(value, list):
        return [found for each in value for found in kinds_of_private(each, path)]
    if not isinstance(value, dict):
        return []
    here = [f"{path}.{name}" for name in value if name in ("private", "$private")]
    return [*here, *(found for name, each in value.items() for found in kinds_of_private(each, f"{path}.{name}"))]


class TestPremessage:
    def test_case_105_it_is_posted_the_message_request_with_the_private_numbers(self, site: Site) -> None:
        assert site.ask("pre", "hi") == ["you said hi"]
        got, told = site.calls("pre", "premessage")[-1], site.told("pre")[-1]
        assert (got.method, got.header("content-type")) == ("POST", "application/json")
        assert got.body["event"] == {"name": "message_received"}
        assert got.body["payload"]["input"]["text"] == "hi"
        integrations = got.body["payload"]["context"]["integrations"]
        assert integrations["text_messaging"]["private"]["user_phone_number"] == PERSON
        assert integrations["text_messaging"]["assistant_phone_number"] == site.numbers["pre"]
        assert integrations["channel"]["private"]["user"]["phone_number"] == PERSON
        assert got.body["payload"] == told

    def test_case_106_what_it_leaves_out_stays_as_it_was(self, site: Site) -> None:
        site.script("pre", "premessage", lambda _got: text_becomes("hi (in en)"))
        assert site.ask("pre", "hi", media=[("image/jpeg", JPEG)]) == ["you said hi (in en)"]
        sent, told = site.calls("pre", "premessage")[-1].body["payload"], site.told("pre")[-1]
        assert sent["input"]["text"] == "hi"
        assert told == {**sent, "input": {**sent["input"], "text": "hi (in en)"}}
        assert len(told["input"]["attachments"]) == 1
        assert told["input"]["options"]["return_context"] is True
        assert told["context"]["integrations"]["channel"]["private"]["user"]["phone_number"] == PERSON

    def test_case_126_it_sees_the_attachment_and_clears_the_list(self, site: Site) -> None:
        site.script("picture", "premessage", lambda _got: {"payload": {"input": {"attachments": []}}})
        assert site.ask("picture", "look", media=[("image/jpeg", JPEG)]) == ["you said look"]
        (listed,) = site.calls("picture", "premessage")[0].body["payload"]["input"]["attachments"]
        assert listed["media_type"] == "image/jpeg"
        assert listed["url"].startswith(f"{site.hub.url}/media/")
        assert site.told("picture")[0]["input"].get("attachments", []) == []

    @pytest.mark.parametrize("also", [False, True])
    def test_with_the_skip_header_it_answers_in_the_assistants_place(self, site: Site, also: bool) -> None:
        name = "skips-also" if also else "skips"
        site.script(name, "premessage", lambda _got: (200, {"output": {"generic": [said("We are closed.")]}}, SKIP))
        assert site.ask(name, "hi") == ["We are closed."]
        assert site.told(name) == []
        after = [got.body["payload"]["output"]["generic"] for got in site.calls(name, "postmessage")]
        assert after == ([[said("We are closed.")]] if also else [])

    def test_with_the_skip_header_what_is_no_message_response_fails(self, site: Site) -> None:
        site.script("skips", "premessage", lambda _got: (200, {"output": {"generic": "We are closed."}}, SKIP))
        assert site.ask("skips", "hi") == [FAILURE]
        assert site.failures("skips")[-1] == ("422", NOT_VALID)


class TestFailures:
    """Of a pre-message webhook, unless a test says otherwise; the SMS user sees the failure message at most."""

    ANSWERS = (
        pytest.param(500, status(500), id="case_109_110_status_500"),
        pytest.param(b"<html>", INVALID_JSON, id="case_111_no_json"),
        pytest.param({"payload": {"input": "hi"}}, NOT_VALID, id="no_message_request"),
        pytest.param({"event": {"name": "message_received"}}, NOT_VALID, id="no_payload"),
        pytest.param((404, {"payload": {"input": {"text": "changed"}}}, {}), status(404), id="status_404"),
    )

    @pytest.mark.parametrize(("answer", "sentence"), ANSWERS)
    def test_continue_gives_the_assistant_the_unmodified_text(self, site: Site, answer: Any, sentence: str) -> None:
        site.script("continues", "premessage", lambda _got: answer)
        # Each time another text: what is said again and again is kept back by the loop guard.
        assert site.ask("continues", sentence) == [f"you said {sentence}"]
        assert site.told("continues")[-1] == site.calls("continues", "premessage")[-1].body["payload"]
        assert site.failures("continues")[-1] == ("422", sentence)
        assert site.failed_turns("continues") == []

    @pytest.mark.parametrize(("answer", "sentence"), ANSWERS)
    def test_fail_ends_the_turn_and_nothing_else_happens(self, site: Site, answer: Any, sentence: str) -> None:
        site.script("fails", "premessage", lambda _got: answer)
        calls = len(site.calls("fails", "premessage"))
        assert site.ask("fails", sentence) == [FAILURE]
        assert site.told("fails") == []
        assert site.failures("fails")[-1] == site.failed_turns("fails")[-1] == ("422", sentence)
        assert len(site.calls("fails", "premessage")) == calls + 1

    def test_a_redirect_into_a_private_network_is_not_followed(self, site: Site) -> None:
        location = {"Location": f"{site.hooks.url}/trap"}
        for code in (HTTPStatus.FOUND, HTTPStatus.TEMPORARY_REDIRECT):
            site.script("continues", "premessage", lambda _got, code=code: (code, text_becomes("no"), location))
            site.script("fails", "premessage", lambda _got, code=code: (code, text_becomes("no"), location))
            text = f"redirect {code:d}"
            assert (site.ask("continues", text), site.ask("fails", text)) == ([f"you said {text}"], [FAILURE])
            assert site.failures("continues")[-1] == site.failures("fails")[-1] == ("422", status(code))
        assert site.hooks.at("/trap") == []

    def test_no_answer_within_the_time_out(self, site: Site) -> None:
        for name, answer in (("slow-continues", "you said hi"), ("slow-fails", FAILURE)):
            site.script(name, "premessage", site.hooks.hang)
            began = time.monotonic()
            assert site.ask(name, "hi") == [answer]
            assert time.monotonic() - began >= 1
            assert len(site.calls(name, "premessage")) == 1
            assert site.failures(name) == [("422", TIMED_OUT)]

    def test_nobody_listens(self, site: Site) -> None:
        assert site.ask("down-continues", "hi") == ["you said hi"]
        assert site.ask("down-fails", "hi") == [FAILURE]
        assert site.told("down-fails") == []
        (went_on,), (failed,) = site.failures("down-continues"), site.failures("down-fails")
        assert went_on == failed == site.failed_turns("down-fails")[0]
        assert failed[0] == "500"
        assert failed[1].startswith(UNREACHABLE)

    def test_of_the_postmessage_webhook(self, site: Site) -> None:
        for answer, sentence in ((500, status(500)), (b"<html>", INVALID_JSON)):
            site.script("continues", "premessage", lambda _got: {"payload": {}})
            for name in ("continues", "post-fails"):
                site.script(name, "postmessage", lambda _got, answer=answer: answer)
            text = f"post {sentence}"
            assert (site.ask("continues", text), site.ask("post-fails", text)) == ([f"you said {text}"], [FAILURE])
            assert site.failures("continues")[-1] == site.failures("post-fails")[-1] == ("422", sentence)
            assert site.failed_turns("post-fails")[-1] == ("422", sentence)


class TestPostmessage:
    def test_case_116_its_list_is_what_the_user_sees_and_the_context_stays(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context = {"global": {"system": {"turn_count": 7}}, "skills": {"main skill": {"user_defined": {"n": "Ann"}}}}
        monkeypatch.setattr(site.assistant, "script", lambda _request: {**texts("Bye.", "Really."), "context": context})
        site.script("post", "postmessage", lambda _got: {"payload": {"output": {"generic": [said("Bye, all.")]}}})
        assert site.ask("post", "hi") == ["Bye, all."]
        ((kept,),) = query(
            site.hub,
            "SELECT session.context FROM session JOIN lane ON lane.id = lane_id WHERE lane.line = :line",
            line=site.numbers["post"],
        )
        assert (json.loads(kept) if isinstance(kept, str) else kept) == context

    def test_case_117_it_is_posted_the_response_with_session_and_user(self, site: Site, ibm: WatsonService) -> None:
        ibm.scripts[USER_ID] = iter([Reply([said("Bye.")], {"name": "Ann"})])
        assert site.ask("ibm", "hi") == ["Bye."]
        (got,), (message,) = site.calls("ibm", "postmessage"), ibm.of("ibm", "message")
        assert got.body["event"] == {"name": "message_processed"}
        payload = got.body["payload"]
        assert payload["output"]["generic"] == [said("Bye.")]
        assert payload["context"]["global"]["session_id"] == message.session is not None
        assert payload["context"]["skills"]["main skill"]["user_defined"]["name"] == "Ann"
        assert payload["user_id"] == USER_ID

    def test_it_is_not_called_when_the_assistant_gave_no_answer(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.assistant, "script", lambda _request: 400)
        assert site.ask("both", "hi") == [FAILURE]
        assert len(site.calls("both", "premessage")) == len(site.told("both")) == 1
        assert site.calls("both", "postmessage") == []


class TestSettings:
    @pytest.mark.parametrize("seconds", [0, 31])
    def test_case_113_a_time_out_is_from_1_to_30_seconds(self, site: Site, seconds: int) -> None:
        assert "premessage.timeout" in refusal(site.hub, {"url": "https://hooks.example/x", "timeout": seconds})

    def test_case_114_plain_http_is_rejected(self, tmp_path: Path) -> None:
        hub = RunningHub(tmp_path, {"HUB_PLUGINS": "webhooks,scripted", "HUB_PUBLIC_URL": "https://hub.example"})
        del hub.environment["HUB_ALLOW_PRIVATE_URLS"]
        hub.environment["PYTHONPATH"] = str(TEST_PLUGINS)
        hub.command("db", "upgrade")
        said = refusal(hub, {"url": "http://x"})
        assert "premessage.url" in said
        assert "https" in said


class TestAuthentication:
    def test_case_122_the_api_key_is_sent_in_its_header(self, site: Site) -> None:
        assert site.ask("api-key", "hi") == ["you said hi"]
        (got,) = site.calls("api-key", "premessage")
        assert got.header("x-api-key") == API_KEY
        assert got.header("authorization") is None

    def test_case_120_client_credentials_as_body_and_the_token_is_renewed(
        self, site: Site, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str | None] = []
        for _ in range(2):
            assert site.ask("oauth", "hi") == ["you said hi"]
            asked.append(site.calls("oauth", "premessage")[-1].header("authorization"))
            over = time.monotonic() + TOKEN_SECONDS
            wait_until(lambda over=over: time.monotonic() > over, what="the end of the token")
        assert asked == [f"Bearer {MARK}-access-1", f"Bearer {MARK}-access-2"]
        fresh, renewed = oauth.requests
        assert {request.method for request in oauth.requests} == {"POST"}
        assert {request.headers["Content-Type"] for request in oauth.requests} == {"application/x-www-form-urlencoded"}
        assert [request.headers["Authorization"] for request in oauth.requests] == [None, None]
        client = {"client_id": "hub", "client_secret": CLIENT_SECRET}
        assert fresh.path == "/token"
        assert fresh.form == {"grant_type": "client_credentials", "scope": "read write", **client}
        assert renewed.path == "/refresh"
        assert renewed.form == {"grant_type": "refresh_token", "refresh_token": f"{MARK}-refresh-1", **client}

        # A refresh token that is taken no longer: a fresh token by the client's own credentials.
        refused = (400, {"error": "invalid_grant"})
        monkeypatch.setattr(
            oauth, "script", lambda request: refused if request.path == "/refresh" else tokens(oauth, request)
        )
        assert site.ask("oauth", "hi") == ["you said hi"]
        assert [request.form["grant_type"] for request in oauth.requests[2:]] == ["refresh_token", "client_credentials"]
        assert site.calls("oauth", "premessage")[-1].header("authorization") == f"Bearer {MARK}-access-4"

    def test_no_secret_is_in_log_listings_or_database(self, site: Site) -> None:
        def leak(got: Got) -> Any:
            """Says all it was told, where an error might show it."""
            held = " ".join(value for _, value in got.headers)
            return 500, held.encode(), {"Location": f"https://{MARK}.example/", "X-Error": held}

        site.script("leaky", "premessage", leak)
        for name in ("leaky", "api-key", "log", "log-own", "oauth"):
            assert site.ask(name, "hi") == ["you said hi"]
        assert MARK in str(site.calls("leaky", "premessage")[-1].headers)
        assert site.failures("leaky") == [("422", status(500))]
        shown = [
            site.hub.command(*words.split()).stdout for words in ("messages", "messages --json", "lanes", "doctor")
        ]
        assert MARK not in "".join([site.hub.log, *shown])
        files = list(site.hub.folder.glob("hub.sqlite3*"))
        assert files
        assert not [file.name for file in files if MARK.encode() in file.read_bytes()]


class TestLog:
    def test_case_119_an_own_authorization_header_replaces_the_jwt(self, site: Site) -> None:
        assert site.ask("log-own", "hi") == ["you said hi"]
        assert site.hooks.wait_for("/log-own/log", 1)[0].header("authorization") == OWN_AUTHORIZATION

    def test_without_one_a_bare_jwt_is_signed_with_the_secret(self, site: Site) -> None:
        assert site.ask("log", "hi") == ["you said hi"]
        token = str(site.hooks.wait_for("/log/log", 1)[0].header("authorization"))
        signed, _, signature = token.rpartition(".")
        right = hmac.digest(LOG_SECRET.encode(), signed.encode(), hashlib.sha256)
        assert hmac.compare_digest(urlsafe_b64decode(signature + "=="), right)

    def test_case_123_an_answer_does_not_wait_for_a_log_webhook_that_hangs(self, site: Site) -> None:
        gate = threading.Event()
        site.script("log-hangs", "log", lambda _got: 503 if gate.wait(PATIENCE) else 500)
        began = time.monotonic()
        assert site.ask("log-hangs", "one") == ["you said one"]
        site.hooks.wait_for("/log-hangs/log", 1)
        assert site.ask("log-hangs", "two") == ["you said two"]
        assert time.monotonic() - began < 10, "the time-out of the log webhook"
        assert len(site.queued("log-hangs")) == 2
        gate.set()
        site.hooks.wait_for("/log-hangs/log", 3)
        site.script("log-hangs", "log", lambda _got: 200)
        wait_until(lambda: site.queued("log-hangs") == [], what="the empty queue")
        calls = site.calls("log-hangs", "log")
        assert {got.body["event"]["name"] for got in calls} == {"message_logged"}
        assert {got.body["payload"]["request"]["input"]["text"] for got in calls} == {"one", "two"}

    def test_case_123_what_a_log_webhook_missed_comes_later_also_after_kill_9(self, tmp_path: Path) -> None:
        port = free_port()
        table = {"down": {"log": {**LOG, "url": f"http://127.0.0.1:{port}/down/log"}}}
        with WebhookDouble() as unused, running(tmp_path, unused, table) as site:
            assert site.ask("down", "hi") == ["you said hi"]
            wait_until(lambda: tried(site, "down", 2), what="a second attempt that failed")
            site.hub.kill()
            assert len(site.queued("down")) == 1
            with WebhookDouble(port) as late:
                site.hub.start()
                (got,) = late.wait_for("/down/log", 1, 60)
                wait_until(lambda: site.queued("down") == [], what="the empty queue")
                assert site.ask("down", "again") == ["you said again"]
                events = [each.body for each in late.wait_for("/down/log", 2)]
        assert got.body["payload"]["request"]["input"]["text"] == "hi"
        assert got.body["payload"]["response"]["output"]["generic"] == [said("you said hi")]
        assert [event["event"]["name"] for event in events] == ["message_logged"] * 2
        assert [event["payload"]["request"]["input"]["text"] for event in events] == ["hi", "again"]

    def test_case_124_nothing_private_is_logged(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def private(request: dict[str, Any]) -> dict[str, Any]:
            context = json.loads(json.dumps(request["context"]))
            context["private"] = {"pin": "1111-hidden"}
            context["skills"]["main skill"]["user_defined"] |= {"private": {"pin": "2222-hidden"}, "open": "seen"}
            context["integrations"]["own"] = {"private": {"pin": "3333-hidden"}, "open": "seen too"}
            return {**texts("ok"), "context": context}

        monkeypatch.setattr(site.assistant, "script", private)
        assert site.ask("log-private", "hi") == ["ok"]
        payload = site.hooks.wait_for("/log-private/log", 1)[0].body["payload"]
        assert kinds_of_private(site.told("log-private")[0]) != []
        assert kinds_of_private(payload) == []
        assert "-hidden" not in json.dumps(payload)
        context = payload["response"]["context"]
        assert context["skills"]["main skill"]["user_defined"]["open"] == "seen"
        assert context["integrations"]["own"] == {"open": "seen too"}
        assert payload["request"]["context"]["integrations"]["channel"] == {"name": "SMS"}

    def test_the_logged_input_is_the_text_after_the_premessage_webhook(self, site: Site) -> None:
        site.script("log-rewritten", "premessage", lambda _got: text_becomes("bonjour"))
        assert site.ask("log-rewritten", "hi") == ["you said bonjour"]
        payload = site.hooks.wait_for("/log-rewritten/log", 1)[0].body["payload"]
        assert payload["request"]["input"]["text"] == "bonjour"


def tried(site: Site, name: str, attempts: int) -> bool:
    """Whether the one event in the queue has been offered so often, and nobody is at it: that puts it off for longer
    than the pause between two attempts."""
    ((made, due),) = site.queued(name)
    moment = datetime.fromisoformat(due) if isinstance(due, str) else due
    left = (moment.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return bool(made == attempts and left < 20)
