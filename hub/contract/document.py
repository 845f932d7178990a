"""The contract as a JSON Schema, for people and for other programs."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from hub.contract.request import MessageRequest
from hub.contract.response import MessageResponse


class _Schema(GenerateJsonSchema):
    """Pydantic's schema with ``anyOf`` for the elements: a text can have both of its forms at once."""

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        found = super().tagged_union_schema(schema)
        return {"anyOf": found["oneOf"]} if "oneOf" in found else found


def document() -> dict[str, Any]:
    """JSON Schema of a message request and a message response."""
    _, found = models_json_schema(
        [(MessageRequest, "validation"), (MessageResponse, "validation")], by_alias=True, schema_generator=_Schema
    )
    _drop_defaults(found["$defs"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Message contract",
        "description": "A message request (what an assistant is asked) or a message response (what it answers).",
        "anyOf": [{"$ref": "#/$defs/MessageRequest"}, {"$ref": "#/$defs/MessageResponse"}],
        "$defs": found["$defs"],
    }


def _drop_defaults(models: dict[str, Any]) -> None:
    """Take out the defaults: they stand for "missing", which is not the same as null."""
    for model in models.values():
        for field in model.get("properties", {}).values():
            field.pop("default", None)
