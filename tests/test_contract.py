"""The message contract: what is taken leniently, what is refused, and how a problem is told."""

from __future__ import annotations

from typing import Any

import pytest

from hub.contract import ContractError, check_response, require_request, require_response, schema
from hub.contract.elements import TYPES
from hub.errors import HubError

VALID: list[dict[str, Any]] = [
    {"response_type": "text", "text": "a", "unknown": {"x": 1}},
    {"response_type": "text", "values": [{"text": "a"}], "selection_policy": "random"},
    {"response_type": "image", "source": "s", "title": "t", "channels": [{"channel": "chat"}]},
    {"response_type": "audio", "source": "s", "channel_options": {"voice_telephony": {"loop": "true"}}},
    {"response_type": "audio", "source": "s", "channel_options": {"voice_telephony": {"loop": True}}},
    {"response_type": "video", "source": "s", "channel_options": {"chat": {"dimensions": {"base_height": 5}}}},
    {"response_type": "iframe", "source": "s"},
    {"response_type": "option", "title": "", "options": [{"label": "a", "value": {"input": {"text": "a"}}}]},
    {"response_type": "suggestion", "title": "", "suggestions": [{"label": "a", "value": {"input": {}}}]},
    {"response_type": "pause", "time": 500, "typing": True},
    {"response_type": "connect_to_agent", "agent_available": {"message": "a"}, "agent_unavailable": "b"},
    {"response_type": "channel_transfer", "message_to_user": "a", "transfer_info": {"target": {"chat": {"url": "u"}}}},
    {"response_type": "search", "header": "h", "results": [{"body": "b"}]},
    {"response_type": "search", "header": "h", "primary_results": [], "additional_results": []},
    {"response_type": "conversation_search", "text": "a"},
    {"response_type": "user_defined", "user_defined": {"smsAction": {"command": "terminateSession"}}},
    {"response_type": "date"},
    {"response_type": "end_session", "channel_options": {"voice_telephony": {"sip": {"headers": []}}}},
    {"response_type": "dtmf", "command_info": {"type": "collect", "parameters": {"count": 4}}},
    {"response_type": "speech_to_text", "command_info": {"type": "configure"}},
    {"response_type": "text_to_speech", "command_info": {"type": "configure"}},
    {"response_type": "start_activities", "activities": [{"type": "dtmf_collection"}]},
    {"response_type": "stop_activities", "activities": []},
    {"response_type": "button", "label": "a", "button_type": "url", "url": "u"},
    {"response_type": "card", "body": [{"response_type": "text", "text": "a"}], "footer": []},
    {"response_type": "carousel", "items": [{"response_type": "card", "body": []}]},
    {"response_type": "grid", "rows": [{"cells": [{"items": [{"response_type": "brand_new"}]}]}]},
    {"response_type": "table", "headers": ["a"], "rows": [{"cells": ["b"]}]},
    {"response_type": "search_skill", "query": "q"},
    {"response_type": "brand_new", "anything": [None]},
]


def answer(*elements: Any, **more: Any) -> dict[str, Any]:
    return {"output": {"generic": list(elements)}, **more}


def said(problems: list[Any]) -> list[str]:
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("element", VALID)
def test_every_response_type_is_taken(element: dict[str, Any]) -> None:
    assert check_response(answer(element)) == []
    require_response(answer(element))


def test_every_response_type_has_an_example() -> None:
    assert {element["response_type"] for element in VALID} - {"brand_new"} == TYPES - {"conversational_search"}


@pytest.mark.parametrize(
    ("response", "problems"),
    [
        (None, ["must be an object"]),
        ({}, ["output: is missing"]),
        ({"output": []}, ["output: must be an object"]),
        ({"output": {"generic": {}}}, ["output.generic: must be a list"]),
        (answer(5), ["output.generic.0: must be an object"]),
        (answer({}), ["output.generic.0.response_type: is missing"]),
        (answer({"response_type": []}), ["output.generic.0.response_type: must be a text"]),
        (
            answer(
                {"response_type": "date"},
                {"response_type": "option", "title": "", "options": [{"label": True, "value": {"input": {}}}]},
            ),
            ["output.generic.1.options.0.label: must be a text"],
        ),
        (
            answer({"response_type": "audio", "source": "s", "channel_options": {"voice_telephony": {"loop": []}}}),
            ["output.generic.0.channel_options.voice_telephony.loop: must be a text, true or false"],
        ),
        (answer({"response_type": "search", "header": ""}), ["output.generic.0.primary_results: is missing"]),
        (
            answer({"response_type": "card", "body": [{"response_type": "text"}]}),
            ["output.generic.0.body.0.text: is missing"],
        ),
        (answer(context={"skills": {"x": {"user_defined": []}}}), ["context.skills.x.user_defined: must be an object"]),
        (answer(context={"global": 5}), ["context.global: must be an object"]),
        (answer(user_id="a\nb"), ["user_id: must be a text without line breaks and tabs"]),
    ],
)
def test_a_problem_names_its_place(response: Any, problems: list[str]) -> None:
    assert said(check_response(response)) == problems
    with pytest.raises(ContractError):
        require_response(response)


def test_numbers_pass_for_texts_from_an_assistant_only() -> None:
    response = answer({"response_type": "text", "text": 5}, {"response_type": "pause", "time": "500"})
    assert check_response(response) == []
    with pytest.raises(ContractError, match=r"^output\.generic\.0\.text: must be a text; .*time: must be a number$"):
        require_response(response)


def test_a_value_is_never_repeated() -> None:
    private = "4111-1111"
    response = answer(
        {"response_type": "pause", "time": private},
        {"response_type": private, "channels": private},
        {"response_type": "option", "title": [private], "options": private},
        context=private,
    )
    assert len(problems := said(check_response(response))) == 5
    with pytest.raises(ContractError) as refused:
        require_request({"input": {"message_type": private}, "user_id": private + "\t"})
    assert private not in "".join([*problems, str(refused.value), repr(refused.value.problems)])


def test_a_flood_of_problems_is_not_listed() -> None:
    assert len(check_response(answer(*[{}] * 500))) == 20
    assert said(check_response(answer(*[{}] * 2000))) == ["has 2000 problems"]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"input": {}},
        {
            "input": {
                "message_type": "search",
                "text": "line one\nline two",
                "attachments": [{"url": "u", "media_type": "image/jpeg"}] * 5,
                "options": {"suggestion_only": False, "return_context": True, "new": 1},
                "source": {"type": "user", "id": "5"},
                "suggestion_id": "s",
                "intents": [{"intent": "a", "confidence": 1}],
            },
            "context": {
                "global": {"system": {"user_id": "5", "turn_count": 1}},
                "skills": {"main skill": {"user_defined": {"smsAction": None, "smsMedia": []}}, "own": {}},
                "integrations": {
                    "channel": {"name": "SMS", "private": {}},
                    "text_messaging": {"assistant_phone_number": "+15550000001", "private": {}},
                    "new": {},
                },
            },
            "user_id": "5",
            "new": [],
        },
    ],
)
def test_requests_that_are_taken(request_: dict[str, Any]) -> None:
    require_request(request_)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ([], "must be an object"),
        ({"input": None}, "input: must be an object"),
        ({"input": "hi"}, "input: must be an object"),
        ({"input": {"text": 5}}, "input.text: must be a text"),
        ({"input": {"text": None}}, "input.text: must be a text"),
        ({"input": {"message_type": "voice"}}, "input.message_type: must be 'text' or 'search'"),
        ({"input": {"attachments": {}}}, "input.attachments: must be a list"),
        ({"input": {"attachments": [{"url": "u"}] * 6}}, "input.attachments: must have at most 5 entries"),
        ({"input": {"attachments": [{}]}}, "input.attachments.0.url: is missing"),
        ({"input": {"options": {"restart": "yes"}}}, "input.options.restart: must be true or false"),
        ({"context": []}, "context: must be an object"),
        ({"context": {"global": []}}, "context.global: must be an object"),
        ({"context": {"skills": {"main skill": 5}}}, "context.skills.main skill: must be an object"),
        ({"context": {"integrations": {"channel": 5}}}, "context.integrations.channel: must be an object"),
        ({"user_id": 5}, "user_id: must be a text without line breaks and tabs"),
        ({"user_id": "a\rb"}, "user_id: must be a text without line breaks and tabs"),
        ({"input": {"x": {1, 2}}}, "must be plain JSON, not nested too deep"),
        ({"input": {"x": float("nan")}}, "must be plain JSON, not nested too deep"),
    ],
)
def test_requests_that_are_refused(request_: Any, sentence: str) -> None:
    with pytest.raises(ContractError) as refused:
        require_request(request_)
    assert str(refused.value) == sentence
    assert isinstance(refused.value, HubError)


def test_an_error_names_three_problems() -> None:
    with pytest.raises(ContractError, match=r"; and 2 more$") as refused:
        require_request({"input": {"attachments": [{}] * 5}})
    assert len(refused.value.problems) == 5


def test_the_schema_describes_everything() -> None:
    document = schema()
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    models = document["$defs"]
    assert {"MessageRequest", "MessageResponse", "UnknownElement"} <= models.keys()
    for name, model in models.items():
        assert model["title"], name
        assert model["description"], name
        for field, described in model["properties"].items():
            # A description that says the same as the model's is left out.
            assert described.get("description") or described.keys() == {"$ref"}, f"{name}.{field}"
            assert "default" not in described, f"{name}.{field}"
    named = {
        kind
        for model in models.values()
        for kind in [
            model["properties"].get("response_type", {}).get("const"),
            *model["properties"].get("response_type", {}).get("enum", []),
        ]
    }
    assert named - {None} == TYPES
    assert models["SkillContext"]["additionalProperties"] is True
