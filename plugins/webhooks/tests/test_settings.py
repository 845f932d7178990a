"""The three tables: what is needed, what is refused, and that no secret can be read from them."""

from __future__ import annotations

import hub_webhooks
import pytest
from hub_webhooks.settings import LogSettings, PostmessageSettings, PremessageSettings
from pydantic import ValidationError

ALL = [PremessageSettings, PostmessageSettings, LogSettings]
LEAST = {"url": "https://hook.example/in"}


@pytest.fixture(autouse=True)
def public_only(monkeypatch):
    monkeypatch.delenv("HUB_ALLOW_PRIVATE_URLS", raising=False)


def made(model, **changes):
    return model.model_validate({**LEAST, **({"secret": "s"} if model is LogSettings else {}), **changes})


def test_it_registers_three_sections():
    sections = hub_webhooks.register_sections()
    assert [(each.name, each.settings, each.hooks) for each in sections] == [
        ("premessage", PremessageSettings, ("premessage",)),
        ("postmessage", PostmessageSettings, ("postmessage",)),
        ("log", LogSettings, ("logged",)),
    ]
    for name in ("register_sections", "premessage", "postmessage", "logged"):
        assert hasattr(getattr(hub_webhooks, name), "hub_impl")


@pytest.mark.parametrize("model", ALL)
def test_defaults(model):
    settings = made(model)
    assert (settings.timeout, settings.enabled, settings.headers) == (30, True, {})
    if model is LogSettings:
        assert set(settings.subscribe) == {"messages", "calls"}
    else:
        assert (settings.on_error, settings.auth.type) == ("continue", "none")


@pytest.mark.parametrize("model", ALL)
def test_every_field_has_a_title_and_a_description(model):
    for name, field in model.model_fields.items():
        assert field.title, name
        assert field.description, name


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("timeout", [0, 31, -1, 5.5, "soon"])
def test_113_a_timeout_outside_1_to_30_is_rejected(model, timeout):
    with pytest.raises(ValidationError, match="timeout"):
        made(model, timeout=timeout)


@pytest.mark.parametrize("timeout", [1, 30])
def test_113_the_limits_themselves_are_taken(timeout):
    assert made(PremessageSettings, timeout=timeout).timeout == timeout


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(
    "url",
    [
        "http://x", "ftp://x", "x", "", "https://", "https:///path", "https://user@x", "https://user:key@x", "https://x#y",
        "https://x y", "https://x\ny", "https://x\\@y", "https://x:0", "https://x:99999", "https://[::1", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_114_only_an_https_address_is_taken(model, url):
    with pytest.raises(ValidationError, match="url"):
        made(model, url=url)


def test_114_plain_http_needs_the_switch(monkeypatch):
    monkeypatch.setenv("HUB_ALLOW_PRIVATE_URLS", "0")
    with pytest.raises(ValidationError, match="HUB_ALLOW_PRIVATE_URLS=1"):
        made(PremessageSettings, url="http://x")
    monkeypatch.setenv("HUB_ALLOW_PRIVATE_URLS", "1")
    assert made(PremessageSettings, url=" http://x/y?z=1 ").url == "http://x/y?z=1"


@pytest.mark.parametrize(
    "headers",
    [
        {"": "x"}, {"a b": "x"}, {"a:b": "x"}, {"ä": "x"}, {"a\n": "x"},
        {"X": "a\r\nEvil: 1"}, {"X": "a\nb"}, {"X": "a\0b"}, {"X": "€"},
        {"Content-Length": "1"}, {"host": "x"}, {"Transfer-Encoding": "chunked"}, {"X-A": "1", "x-a": "2"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ALL)
def test_a_header_that_cannot_be_sent_is_rejected_without_its_value(model, headers):
    with pytest.raises(ValidationError, match="headers") as caught:
        made(model, headers=headers)
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (PremessageSettings, {"on_error": "ignore"}),
        (PremessageSettings, {"after_skip": True}),
        (PremessageSettings, {"secret": "x"}),
        (PostmessageSettings, {"auth": {"type": "digest"}}),
        (LogSettings, {"subscribe": []}),
        (LogSettings, {"subscribe": ["everything"]}),
        (LogSettings, {"on_error": "fail"}),
        (LogSettings, {"secret": "x" * 1025}),
        (LogSettings, {"secret": None}),
        (LogSettings, {"secret": ""}),
        (LogSettings, {"secret": "\udcff"}),
    ],
)
def test_what_else_is_rejected(model, changes):
    with pytest.raises(ValidationError):
        made(model, **changes)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"secret": "s" * 1024}, "jwt"),
        ({"headers": {"authorization": "Bearer x"}}, "none"),
        ({"headers": {"authorization": "Bearer x"}, "secret": ""}, "none"),
        ({"auth": {"type": "none"}}, "none"),
        ({"auth": {"type": "bearer", "token": "t"}, "secret": "s"}, "bearer"),
    ],
)
def test_a_log_webhook_needs_one_proof(changes, kind):
    settings = LogSettings.model_validate(LEAST | changes)
    assert settings.signs_with.type == kind


@pytest.mark.parametrize("model", ALL)
def test_no_representation_shows_a_secret(model):
    settings = made(
        model, headers={"X-Key": "hidden-1"}, auth={"type": "basic", "username": "ann", "password": "hidden-2"}
    )
    if model is LogSettings:
        settings = settings.model_copy(update={"secret": made(model, secret="hidden-3").secret})
    shown = f"{settings!r} {settings!s} {settings.model_dump()} {settings.model_dump_json()}"
    assert "hidden" not in shown
