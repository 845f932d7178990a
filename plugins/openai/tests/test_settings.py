"""The settings: what is needed, what is refused, and that each field can be explained in a form."""

from __future__ import annotations

import pytest
from hub_openai.settings import ChatSettings
from pydantic import ValidationError


def test_defaults():
    settings = ChatSettings(model=" m ")
    assert settings.model == "m"
    assert settings.base_url == "https://api.openai.com/v1"
    assert (settings.timeout, settings.history_tokens, settings.pictures) == (30, 4000, "data")
    assert (settings.token_parameter, settings.documents) == ("max_completion_tokens", True)
    assert settings.api_key is settings.temperature is settings.max_tokens is None
    assert (settings.greeting, settings.farewell, settings.headers) == ("", "", {})


def test_every_field_has_a_title_and_a_description():
    for name, field in ChatSettings.model_fields.items():
        assert field.title, name
        assert field.description, name


def test_what_a_form_sends_for_empty_fields_counts_as_nothing():
    settings = ChatSettings(model="m", api_key=" ", temperature="", max_tokens="")
    assert settings.api_key is settings.temperature is settings.max_tokens is None


@pytest.mark.parametrize(
    "url", [" https://a.example/v1/ ", "https://a.example/v1/chat/completions", "https://a.example/v1"]
)
def test_what_is_easily_pasted_along_is_taken_off(url):
    assert ChatSettings(model="m", base_url=url).base_url == "https://a.example/v1"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"base_url": "a.example"}, "must be a URL"),
        ({"base_url": "ftp://a.example"}, "must be a URL"),
        ({"base_url": "https://a.example:99999"}, "must be a URL"),
        ({"base_url": "https://a.example/a b"}, "must be a URL"),
        ({"base_url": "https://user@a.example"}, "must hold neither a user name"),
        ({"base_url": "https://a.example?x=1"}, "nor a query"),
        ({"api_key": "two secret words"}, "must be printable ASCII"),
        ({"api_key": "secret-ü"}, "must be printable ASCII"),
        ({"timeout": 0}, "timeout"),
        ({"temperature": 2.1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"token_parameter": "tokens"}, "max_completion_tokens"),
        ({"history_tokens": -1}, "history_tokens"),
        ({"pictures": "yes"}, "pictures"),
        ({"headers": {"a b": "x"}}, "is not a header name"),
        ({"headers": {"Host": "x"}}, "Host cannot be set"),
        ({"headers": {"Content-Type": "x"}}, "Content-Type cannot be set"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "given twice"),
        ({"headers": {"X-A": "secret\r\nX-B: 1"}}, "printable ASCII in one line"),
        ({"stream": True}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused_is_named(changes, part):
    with pytest.raises(ValidationError) as caught:
        ChatSettings(**({"model": "m"} | changes))
    assert part in str(caught.value)
    assert "secret" not in str(caught.value)


def test_secrets_are_not_shown():
    settings = ChatSettings(model="m", api_key="k-1", headers={"X-A": "v-1", "X-B": ""})
    assert settings.secrets == ["k-1", "v-1"]
    assert "k-1" not in repr(settings)
    assert "v-1" not in repr(settings)
