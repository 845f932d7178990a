"""The settings: what is needed, what is refused, and that each field can be explained in a form."""

from __future__ import annotations

import pytest
from hub_watson.settings import WatsonSettings
from pydantic import SecretStr, ValidationError

LEAST = {"url": "https://api.eu-de.assistant.watson.cloud.ibm.com/instances/1/", "assistant_id": "a", "api_key": "k"}


def test_defaults():
    settings = WatsonSettings(**LEAST)
    assert settings.model_dump() == {
        "url": "https://api.eu-de.assistant.watson.cloud.ibm.com/instances/1",
        "auth": "iam",
        "api_key": SecretStr("k"),
        "iam_url": "https://iam.cloud.ibm.com",
        "username": None,
        "password": None,
        "bearer_token": None,
        "assistant_id": "a",
        "environment_id": None,
        "version": "2024-08-25",
        "stateless": False,
        "timeout": 30.0,
    }


def test_every_field_has_a_title_and_a_description():
    for name, field in WatsonSettings.model_fields.items():
        assert field.title, name
        assert field.description, name


def test_what_a_form_sends_for_empty_fields_counts_as_nothing():
    settings = WatsonSettings(**LEAST, environment_id=" ", username="", password="", bearer_token="")
    assert settings.environment_id is settings.username is settings.password is settings.bearer_token is None


def test_what_is_easily_pasted_along_is_taken_off():
    settings = WatsonSettings(
        url=" https://a.example/ ", iam_url="https://i.example/identity/token", api_key="k\n", assistant_id=" a "
    )
    assert (settings.url, settings.iam_url, settings.assistant_id) == ("https://a.example", "https://i.example", "a")
    assert settings.api_key.get_secret_value() == "k"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"api_key": None}, 'api_key is missing: auth = "iam" needs it'),
        ({"api_key": ""}, "api_key is missing"),
        ({"auth": "basic", "api_key": None}, "password is missing"),
        ({"auth": "basic", "api_key": None, "username": "ann"}, "password is missing"),
        ({"auth": "basic", "username": "ann"}, "password is missing"),
        ({"auth": "basic", "api_key": None, "password": "p"}, "username is missing"),
        ({"auth": "bearer"}, 'bearer_token is missing: auth = "bearer" needs it'),
        ({"auth": "oauth"}, "'iam', 'basic', 'bearer' or 'none'"),
        ({"url": "api.example"}, "must be a URL"),
        ({"url": "ftp://api.example"}, "must be a URL"),
        ({"url": "https://user@api.example"}, "must hold neither a user name"),
        ({"url": "https://api.example?version=1"}, "nor a query"),
        ({"api_key": "{k}"}, "must not begin or end with a brace"),
        ({"api_key": "two words"}, "must be printable ASCII"),
        ({"bearer_token": "schlüssel"}, "must be printable ASCII"),
        ({"username": '"ann"'}, "must not begin or end with a brace"),
        ({"password": '"p"'}, "must not begin or end with a brace"),
        ({"assistant_id": ""}, "assistant_id"),
        ({"assistant_id": "../other"}, "assistant_id"),
        ({"environment_id": "a/b"}, "environment_id"),
        ({"version": "today"}, "version"),
        ({"timeout": 0}, "timeout"),
        ({"disable_ssl_verification": True}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused_is_named(changes, sentence):
    with pytest.raises(ValidationError) as caught:
        WatsonSettings(**(LEAST | changes))
    assert sentence in str(caught.value)


def test_a_refusal_does_not_repeat_secrets():
    with pytest.raises(ValidationError) as caught:
        WatsonSettings(**(LEAST | {"api_key": "two secret words", "password": '"secret"', "auth": "bearer"}))
    assert "secret" not in str(caught.value).replace("bearer_token", "")
