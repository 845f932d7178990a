"""The simulator against Twilio's own description of its API, where a copy of it is at hand."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator
from werkzeug.wrappers import Response

BESIDE = Path(__file__).parents[3].parent / "shared" / "contracts" / "twilio_api_v2010.json"
MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages"
PERSON, SERVICE = "+15550000002", "MG" + "5" * 32
FORMATS = jsonschema.FormatChecker(formats=())
FORMATS.checks("date-time-rfc-2822", raises=(TypeError, ValueError))(
    lambda value: value is None or bool(parsedate_to_datetime(str(value)))
)
SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

ACCEPTABLE = {
    "To": PERSON,
    "From": "+15550000001",
    "MessagingServiceSid": SERVICE,
    "Body": "hello",
    "ContentSid": "HX" + "1" * 32,
    "ContentVariables": "{}",
    "ApplicationSid": "AP" + "1" * 32,
    "ScheduleType": "fixed",
    "SendAt": SOON,
    "FallbackFrom": "+15550000001",
    "PersistentAction": "geo:0,0",
}
"""Values for parameters whose type does not say enough."""


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    path = Path(os.environ.get("HUB_TWILIO_OPENAPI", BESIDE))
    if not path.exists():
        pytest.skip("Twilio's OpenAPI file twilio_api_v2010.json is not here; HUB_TWILIO_OPENAPI can say where it is")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@pytest.fixture
def account(hub: Receiver) -> Iterator[RunningSimulator]:
    with RunningSimulator(services={SERVICE: ("+15550000001",)}, message_url=hub.url + "/message") as running:
        running.behave(callbacks={"delay": 0})
        yield running


def json_schema(spec: dict[str, Any], node: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes a type, references are written out."""
    if isinstance(node, list):
        return [json_schema(spec, item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return json_schema(spec, spec["components"]["schemas"][node["$ref"].rpartition("/")[2]])
    schema = {key: json_schema(spec, value) for key, value in node.items() if key not in ("description", "x-twilio")}
    if schema.pop("nullable", False):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def answer_schema(spec: dict[str, Any], path: str, method: str, status: str) -> Any:
    answer = spec["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    schema = json_schema(spec, answer)
    return schema | {"required": sorted(schema["properties"]), "additionalProperties": False}


def agree(document: Any, schema: Any) -> None:
    jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(document)


def call(account: RunningSimulator, method: str, rest: str, form: Any = None) -> requests.Response:
    url = account.url + MESSAGES.format(AccountSid=account.account_sid) + rest
    return requests.request(method, url, data=form, auth=(account.account_sid, account.auth_token), timeout=5)


def test_messages_agree_at_every_stage_of_their_life(
    account: RunningSimulator, hub: Receiver, spec: dict[str, Any]
) -> None:
    hub.answer("/p.png", Response(b"png", mimetype="image/png"))
    created = answer_schema(spec, MESSAGES + ".json", "post", "201")
    one = answer_schema(spec, MESSAGES + "/{Sid}.json", "get", "200")
    listed = answer_schema(spec, MESSAGES + ".json", "get", "200")
    form = {"To": PERSON, "MessagingServiceSid": SERVICE, "Body": "x", "MediaUrl": hub.url + "/p.png"}
    answer = call(account, "POST", ".json", form)
    agree(answer.json(), created)
    sid = answer.json()["sid"]
    account.wait_for(lambda messages: [m for m in messages if m.status == "delivered"])
    account.behave(callbacks={"delay": 0, "final": [{"status": "failed"}]})
    call(account, "POST", ".json", {"To": PERSON, "From": account.number, "Body": "y"})
    account.wait_for(lambda messages: [m for m in messages if m.status == "failed"])
    account.text(PERSON, body="inbound")
    agree(call(account, "GET", f"/{sid}.json").json(), one)
    agree(call(account, "POST", f"/{sid}.json", {"Body": ""}).json(), one)
    for query in ("", "?PageSize=1", "?PageSize=1&Page=1", "?To=%2B19"):
        agree(call(account, "GET", f".json{query}").json(), listed)


def test_media_and_feedback_agree(account: RunningSimulator, spec: dict[str, Any]) -> None:
    sid = account.text(PERSON, media=[("image/png", b"png")]).sid
    media = call(account, "GET", f"/{sid}/Media.json")
    agree(media.json(), answer_schema(spec, MESSAGES + "/{MessageSid}/Media.json", "get", "200"))
    one = call(account, "GET", f"/{sid}/Media/{media.json()['media_list'][0]['sid']}.json")
    agree(one.json(), answer_schema(spec, MESSAGES + "/{MessageSid}/Media/{Sid}.json", "get", "200"))
    [(status, described)] = spec["paths"][MESSAGES + "/{MessageSid}/Feedback.json"]["post"]["responses"].items()
    feedback = call(account, "POST", f"/{sid}/Feedback.json", {"Outcome": "confirmed"})
    assert str(feedback.status_code) == status
    agree(feedback.json(), json_schema(spec, described["content"]["application/json"]["schema"]))


def test_every_parameter_of_create_is_accepted(account: RunningSimulator, hub: Receiver, spec: dict[str, Any]) -> None:
    content = spec["paths"][MESSAGES + ".json"]["post"]["requestBody"]["content"]
    properties = json_schema(spec, content["application/x-www-form-urlencoded"]["schema"])["properties"]
    for name, schema in properties.items():
        needed = {"To": PERSON, "From": "+15550000001", "Body": "x"}
        if name in ("ScheduleType", "SendAt"):
            needed |= {"MessagingServiceSid": SERVICE, "ScheduleType": "fixed", "SendAt": SOON}
        answer = call(account, "POST", ".json", needed | {name: example(name, schema, hub.url)})
        assert answer.status_code == 201, (name, answer.text)


def example(name: str, schema: dict[str, Any], url: str) -> Any:
    if name in ACCEPTABLE:
        return ACCEPTABLE[name]
    if "enum" in schema:
        return schema["enum"][0]
    values = {"boolean": "true", "integer": "5", "number": "1.5", "array": [url + "/p.png"], "string": url + "/status"}
    return values[schema["type"]]


def test_every_operation_of_the_messages_resource_exists(account: RunningSimulator, spec: dict[str, Any]) -> None:
    sid, media = "SM" + "0" * 32, "ME" + "0" * 32
    for path, operations in spec["paths"].items():
        if path.startswith(MESSAGES) and path.endswith(".json"):
            place = path.removeprefix(MESSAGES).replace("{MessageSid}", sid)
            place = place.replace("{Sid}", media if "/Media/" in place else sid)
            for method in operations.keys() & {"get", "post", "delete"}:
                assert call(account, method.upper(), place, {}).status_code != 405, (method, path)
