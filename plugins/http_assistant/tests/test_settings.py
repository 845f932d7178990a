"""The settings: what is needed, what is refused, and that each field can be explained in a form."""

from __future__ import annotations

import pytest
from hub_http_assistant.settings import HttpAssistantSettings
from pydantic import ValidationError

URL = "https://bot.example/converse"


def test_defaults():
    settings = HttpAssistantSettings(url=f" {URL} ")
    assert settings.model_dump() == {
        "url": URL,
        "auth": {"type": "none"},
        "headers": {},
        "timeout": 30.0,
        "stateless": True,
    }


def test_every_field_has_a_title_and_a_description():
    for name, field in HttpAssistantSettings.model_fields.items():
        assert field.title, name
        assert field.description, name


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"url": "bot.example"}, "must be a URL"),
        ({"url": "ftp://bot.example"}, "must be a URL"),
        ({"url": "https://bot.example:99999/"}, "must be a URL"),
        ({"url": "https://bot.example/a b"}, "must be a URL"),
        ({"url": "https://ann:pw@bot.example/"}, "neither a user name"),
        ({"url": "https://bot.example/#part"}, "nor a fragment"),
        ({"timeout": 0.5}, "greater than or equal to 1"),
        ({"timeout": 121}, "less than or equal to 120"),
        ({"auth": {"type": "magic"}}, "does not match any of the expected tags"),
        ({"auth": {"type": "bearer"}}, "Field required"),
        ({"headers": {"X Y": "1"}}, "is not a header name"),
        ({"headers": {"Host": "h"}}, "the hub decides it"),
        ({"headers": {"content-type": "text/plain"}}, "the hub decides it"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "is given twice"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "must be printable ASCII in one line"),
        ({"assistant_id": "a"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused_is_named(changes, sentence):
    with pytest.raises(ValidationError) as caught:
        HttpAssistantSettings.model_validate({"url": URL} | changes)
    assert sentence in str(caught.value)


def test_a_refusal_does_not_repeat_secrets():
    with pytest.raises(ValidationError) as caught:
        HttpAssistantSettings.model_validate({"url": URL, "headers": {"X-A": "hidden\nvalue"}, "timeout": "soon"})
    assert "hidden" not in str(caught.value)
