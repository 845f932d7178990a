"""``hub grant``: access to an OAuth 2.0 server by authorization code, from the printed page to the webhook's call.

The test plays the person: it opens the page the command prints, and pastes the address the browser is sent to.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.fernet import Fernet
from oauth_server import OAuthServer, TokenRequest
from signed import query
from webhook_double import FAILURE, Site, WebhookDouble, running

from hub.testing import RunningHub

CODE = "hush-code-0123456789"
ACCESS = "hush-access-0123456789"
REFRESH = "hush-refresh-0123456789"
CLIENT_SECRET = "hush-client-secret-0123456789"
SECRETS = (CODE, ACCESS, REFRESH, CLIENT_SECRET)
COMMAND_SECONDS = 60


class Authorizer(OAuthServer):
    """A server whose page grants access at once, for one code.

    :ivar lives: seconds of a token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lives = 3600
        self.script = self.serve

    def serve(self, request: TokenRequest) -> Any:
        parts = urlsplit(request.path)
        if parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            return (
                302,
                b"",
                {"Location": f"{asked['redirect_uri']}?{urlencode({'code': CODE, 'state': asked['state']})}"},
            )
        if request.form["grant_type"] == "authorization_code" and request.form["code"] != CODE:
            return 400, {"error": "invalid_grant"}
        return {"access_token": ACCESS, "refresh_token": REFRESH, "expires_in": self.lives}

    @property
    def token_requests(self) -> list[TokenRequest]:
        return [request for request in self.requests if request.path == "/token"]


def tables(oauth: OAuthServer) -> dict[str, dict[str, Any]]:
    auth = {
        "type": "oauth2", "grant": "authorization_code", "client_id": "hub", "client_secret": CLIENT_SECRET,
        "scope": "read write", "authorize_url": f"{oauth.root}/authorize", "token_url": oauth.url,
    }  # fmt: skip
    return {
        "premessage": {"auth": auth, "on_error": "fail"},
        "postmessage": {"auth": {"type": "basic", "username": "hub", "password": "hush-password"}},
    }


@pytest.fixture
def oauth() -> Iterator[Authorizer]:
    with Authorizer() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, oauth: Authorizer) -> Iterator[Site]:
    with WebhookDouble() as hooks, running(tmp_path, hooks, {"support": tables(oauth)}) as site:
        yield site


@pytest.fixture(scope="module")
def server() -> Iterator[Authorizer]:
    with Authorizer() as server:
        yield server


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, server: Authorizer) -> Iterator[RunningHub]:
    """For attempts that come to nothing."""
    with WebhookDouble() as hooks, running(tmp_path_factory.mktemp("hub"), hooks, {"support": tables(server)}) as site:
        yield site.hub


@dataclass(frozen=True)
class Granted:
    """How the command ended; `page` is the address it printed."""

    code: int
    page: str
    output: str
    errors: str

    @property
    def error(self) -> str:
        """The one line that says what went wrong."""
        assert "Traceback" not in self.errors
        (line,) = [line for line in self.errors.splitlines() if line.startswith("hub: ")]
        return line


def browse(page: str) -> str:
    """Open a page that sends the browser on; returns where to."""
    parts = urlsplit(page)
    connection = HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        with connection.getresponse() as answer:
            assert answer.status == 302
            return str(answer.headers["Location"])
    finally:
        connection.close()


def grant(hub: RunningHub, *options: str, person: Callable[[str], str] = browse) -> Granted:
    """Run ``hub grant support premessage``.

    :param person: makes the address to paste of the page's address.
    """
    # A session of its own has no terminal, so that what is pasted is read from the pipe.
    with subprocess.Popen(
        [sys.executable, "-m", "hub", "grant", "support", "premessage", *options], cwd=hub.folder, env=hub.environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = []
        try:
            for line in process.stdout:
                lines.append(line)
                if line.strip().startswith("http"):
                    break
            else:
                raise AssertionError(f"no page was printed: {''.join(lines)} {process.communicate()[1]}")
            page = lines[-1].strip()
            output, errors = process.communicate(f"{person(page)}\n", timeout=COMMAND_SECONDS)
        finally:
            process.kill()
    granted = Granted(process.returncode, page, "".join(lines) + output, errors)
    assert not [secret for secret in SECRETS if secret in granted.output + granted.errors]
    return granted


def stored(hub: RunningHub) -> int:
    count: int = query(hub, "SELECT count(*) FROM plugin_secret")[0][0]
    return count


def test_a_granted_webhook_is_called_with_the_token_also_after_a_rotation_of_the_keys(
    site: Site, oauth: Authorizer
) -> None:
    assert site.ask("support", "too early") == [FAILURE]
    assert site.calls("support", "premessage") == []
    assert "hub grant support premessage" in site.failures("support")[0][1]

    granted = grant(site.hub)
    assert granted.code == 0, granted.errors
    assert "support.premessage: granted" in granted.output
    redirect = f"{site.hub.url}/oauth/granted"
    asked = parse_qs(urlsplit(granted.page).query)
    assert len(asked.pop("state")[0]) >= 16
    assert asked == {
        "response_type": ["code"], "client_id": ["hub"], "redirect_uri": [redirect], "scope": ["read write"]
    }  # fmt: skip
    (exchanged,) = oauth.token_requests
    assert exchanged.method == "POST"
    assert exchanged.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert exchanged.form == {
        "grant_type": "authorization_code", "code": CODE, "redirect_uri": redirect, "client_id": "hub",
        "client_secret": CLIENT_SECRET,
    }  # fmt: skip

    # The running hub takes it without a restart.
    assert site.ask("support", "now") == ["you said now"]
    assert site.calls("support", "premessage")[-1].header("authorization") == f"Bearer {ACCESS}"

    old = site.hub.environment["HUB_SECRET_KEYS"]
    new = Fernet.generate_key().decode()
    site.hub.kill()
    site.hub.environment["HUB_SECRET_KEYS"] = f"{new},{old}"
    assert "encrypted" in site.hub.command("secrets", "rotate").stdout
    site.hub.start({"HUB_SECRET_KEYS": new})
    assert site.ask("support", "later") == ["you said later"]
    assert site.calls("support", "premessage")[-1].header("authorization") == f"Bearer {ACCESS}"
    assert len(oauth.token_requests) == 1
    kept = b"".join(file.read_bytes() for file in site.hub.folder.glob("hub.sqlite3*"))
    assert not [secret for secret in SECRETS if secret.encode() in kept or secret in site.hub.log]


def test_another_redirect_address_can_be_named(site: Site, oauth: Authorizer) -> None:
    target = "https://hub.example/back?from=oauth"
    granted = grant(site.hub, "--redirect-uri", target, person=lambda page: redirected(page, code=CODE))
    assert granted.code == 0, granted.errors
    assert parse_qs(urlsplit(granted.page).query)["redirect_uri"] == [target]
    assert oauth.token_requests[0].form["redirect_uri"] == target


def test_at_a_terminal_the_pasted_address_is_not_shown(site: Site) -> None:
    ours, theirs = os.openpty()
    behind = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-m", "hub", "grant", "support", "premessage"]
    with subprocess.Popen(
        [sys.executable, "-c", behind, *command], stdin=theirs, cwd=site.hub.folder, env=site.hub.environment
    ) as process:
        os.close(theirs)
        try:
            shown = read_terminal(ours, until="sent to: ")
            (page,) = [line.strip() for line in shown.splitlines() if line.strip().startswith("http")]
            os.write(ours, f"{browse(page)}\n".encode())
            shown += read_terminal(ours)
            assert process.wait(COMMAND_SECONDS) == 0, shown
        finally:
            process.kill()
            os.close(ours)
    assert "support.premessage: granted" in shown
    assert "Warning" not in shown
    assert not [secret for secret in SECRETS if secret in shown]
    assert stored(site.hub) == 1


def read_terminal(descriptor: int, until: str | None = None) -> str:
    """What a terminal shows, up to a text, or until whoever writes there is gone."""
    shown = b""
    while until is None or until.encode() not in shown:
        ready, _, _ = select.select([descriptor], [], [], COMMAND_SECONDS)
        assert ready, shown
        try:
            shown += os.read(descriptor, 4096)
        except OSError:  # Linux's end of file
            break
    return shown.decode()


def redirected(page: str, **answer: str) -> str:
    """The address a browser is sent to that was at `page`; `answer` adds to the state or replaces it."""
    state = parse_qs(urlsplit(page).query)["state"][0]
    return f"https://hub.example/oauth/granted?{urlencode({'state': state, **answer})}"


class TestRefused:
    """Nothing is stored, and one line says why."""

    @pytest.mark.parametrize(
        ("answer", "sentence"),
        [
            ({"state": "another", "code": CODE}, "not the address"),
            ({"state": "", "code": CODE}, "not the address"),
            ({}, "not the address"),
            ({"error": "access_denied"}, "access_denied"),
        ],
    )
    def test_an_address_that_grants_nothing(
        self, hub: RunningHub, server: Authorizer, answer: dict[str, str], sentence: str
    ) -> None:
        before = len(server.token_requests)
        granted = grant(hub, person=lambda page: redirected(page, **answer))
        assert granted.code == 2
        assert sentence in granted.error
        assert len(server.token_requests) == before
        assert stored(hub) == 0

    @pytest.mark.parametrize("text", ["nonsense", "code=1", "http://[nonsense"])
    def test_text_that_is_no_address(self, hub: RunningHub, text: str) -> None:
        granted = grant(hub, person=lambda _page: text)
        assert granted.code == 2
        assert "not the address" in granted.error
        assert stored(hub) == 0

    def test_a_code_the_server_does_not_know(self, hub: RunningHub) -> None:
        granted = grant(hub, person=lambda page: redirected(page, code="hush-wrong"))
        assert granted.code == 1
        assert "invalid_grant" in granted.error
        assert "hush" not in granted.output + granted.errors
        assert stored(hub) == 0

    @pytest.mark.parametrize("answer", [500, b"<html>", {"token_type": "bearer"}, {"access_token": 7}])
    def test_a_server_that_gives_no_token(
        self, hub: RunningHub, server: Authorizer, monkeypatch: pytest.MonkeyPatch, answer: Any
    ) -> None:
        monkeypatch.setattr(
            server, "script", lambda request: answer if request.path == "/token" else server.serve(request)
        )
        granted = grant(hub)
        assert granted.code == 1
        assert server.root.rpartition(":")[0] in granted.error
        assert stored(hub) == 0

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (("nobody", "premessage"), "nobody"),
            (("support", "log"), "log"),
            (("support", "postmessage"), "support.postmessage: auth"),
            (("support",), "support: auth"),
        ],
    )
    def test_what_cannot_be_granted(self, hub: RunningHub, arguments: tuple[str, ...], named: str) -> None:
        done = hub.command("grant", *arguments, check=False)
        assert done.returncode == 2
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("hub: ")
        assert named in line
