"""The pages that are made from models: docs/settings.md, docs/message-contract.md and its schema.

The settings of every plugin of this repository are in it, so all of them have to be installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pages import ROOT
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hub import AuthSettings
from hub.apply import secret_fields
from hub.contract import schema
from hub.plugins import Registry
from hub.settings import Settings

REFRESH = ".venv/bin/python tests/test_docs.py"
PLUGINS = frozenset(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "setup.cfg").exists())
AUTHENTICATION = get_args(get_args(AuthSettings)[0])
"""The models of the kinds of authentication."""


def settings_page() -> str:
    """docs/settings.md as the models say."""
    registry = Registry(PLUGINS)
    lines = [
        "# Settings of channels, assistants and sections",
        "",
        f"Made from the models; do not edit. To refresh: `{REFRESH}`.",
        "",
        "A setting marked *secret* is encrypted in the store. A setting without a default is needed.",
    ]
    for kind, types in (("Channel", registry.channels), ("Assistant", registry.assistants)):
        for name, each in sorted(types.items()):
            key = "integration" if kind == "Channel" else "assistant"
            lines += ["", f"## {kind} `{name}`", "", f"{each.title}. In `[{key}.NAME.settings]`.", ""]
            lines += _table(each.settings)
    for name, section in registry.sections.items():
        owner = registry.owner("section", name)
        where = f"In `[assistant.NAME.{name}]`, from the plugin `{owner}`."
        lines += ["", f"## Section `{name}`", "", f"{section.title}. {where}", "", *_table(section.settings)]
    lines += ["", "## Authentication", "", "A table with `type`; the other keys depend on it."]
    for model in AUTHENTICATION:
        name = get_args(model.model_fields["type"].annotation)[0]
        lines += ["", f"### Type `{name}`", "", str(model.__doc__).strip().splitlines()[0], "", *_table(model)]
    return "\n".join(lines) + "\n"


def _table(model: type[Settings]) -> list[str]:
    rows = []
    secrets = secret_fields(model)
    for name, field in model.model_fields.items():
        assert field.title, f"{model.__name__}.{name} has no title"
        assert field.description, f"{model.__name__}.{name} has no description"
        if model in AUTHENTICATION and name == "type":
            continue
        meaning = f"{field.title}. {field.description}".replace("|", r"\|")
        secret = ", *secret*" if name in secrets and not _models(field) else ""
        rows.append(f"| `{name}` | {_kind(field)}{secret} | {_default(field)} | {meaning} |")
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows] if rows else ["No settings."]


def _kind(field: FieldInfo) -> str:
    if _models(field):
        return "table, see [Authentication](#authentication)"
    types = _types(field.annotation)
    choices = [each for each in types if isinstance(each, str)]
    named = {bool: "true or false", int: "whole number", float: "number"}
    if tuple in types:
        kind = "list" + (f" of {', '.join(choices)}" if choices else "")
    elif choices:
        kind = "one of " + ", ".join(choices)
    elif dict in types:
        kind = "table"
    else:
        kind = next((words for each, words in named.items() if each in types), "text")
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for limit in field.metadata:
        kind += "".join(f", {words} {getattr(limit, at)}" for at, words in bounds.items() if hasattr(limit, at))
    return kind


def _models(field: FieldInfo) -> bool:
    """Whether the field is a table of settings of its own; authentication is the only one there is."""
    found = [each for each in _types(field.annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
    assert set(found) <= set(AUTHENTICATION), found
    return bool(found)


def _types(annotation: Any) -> list[Any]:
    """Every type (and choice) that an annotation is made of; constraints are left out."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _types(inner[0])
    origin = [get_origin(annotation)] if get_origin(annotation) in (tuple, dict) else []
    return origin + [each for part in inner for each in _types(part)] if inner else [annotation]


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "needed"
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, BaseModel):
        return "`" + "{ " + ", ".join(f'{name} = "{each}"' for name, each in value.model_dump().items()) + " }`"
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value)
    if value == "":
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


# --- the message contract ---------------------------------------------------------------------------------------------

INTRODUCTION = f"""\
# The message contract

Made from the models; do not edit. To refresh: `{REFRESH}`.

What an assistant is asked in one turn, and what it answers: the v2 messages of IBM watsonx Assistant. An assistant
plugin gets a request and returns a response; webhooks and hooks change them. The same as a JSON Schema (2020-12):
[message-contract.schema.json](message-contract.schema.json).

* An assistant's answer is read leniently: what is wrong is named in the log (`response_problem`) and shown as far as it
  can be. What a webhook puts in the place of a request or an answer has to fit.
* Fields and response types that are not listed are kept.
* A field marked *needed* is needed for its element to be shown as it is meant. All others may be missing.

How each response type looks as a text message: [answers.md](answers.md).
"""


def contract_page() -> str:
    """docs/message-contract.md as the schema says."""
    document = schema()
    models: Mapping[str, Any] = document["$defs"]
    elements = [name for name, model in models.items() if "response_type" in model.get("properties", {})]
    lines = [INTRODUCTION, "## Request", ""]
    lines += _object(models, "MessageRequest", "")
    for name in _below(models, "MessageRequest", elements):
        lines += ["", f"### {name}", "", *_object(models, name, "")]
    lines += ["", "## Response", "", *_object(models, "MessageResponse", "")]
    request = {"MessageRequest", *_below(models, "MessageRequest", elements)}
    for name in _below(models, "MessageResponse", elements):
        if name not in request:
            lines += ["", f"### {name}", "", *_object(models, name, "")]
    lines += ["", "## Response types", "", "Every element may have `channels`: see [ElementChannel](#elementchannel)."]
    shown = {*request, *_below(models, "MessageResponse", elements), "MessageResponse"}
    for name in sorted(elements, key=lambda name: _order(models[name])):
        lines += ["", f"### {_titles(models[name])}", "", *_object(models, name, "response_type")]
    lines += ["", "## Parts of elements"]
    for name in sorted(models.keys() - shown - {*elements}):
        lines += ["", f"### {name}", "", *_object(models, name, "")]
    return "\n".join(lines) + "\n"


def _below(models: Mapping[str, Any], name: str, elements: list[str]) -> list[str]:
    """The models that `name` is made of, elements apart, in the order in which they are met."""
    found: list[str] = []
    queue = [name]
    while queue:
        for below in _references(models[queue.pop(0)]):
            if below not in found and below not in elements and below != name:
                found.append(below)
                queue.append(below)
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _titles(model: Mapping[str, Any]) -> str:
    """What an element is called: its response types, and in brackets what tells two forms of one type apart."""
    kind = model["properties"]["response_type"]
    names = [kind["const"]] if "const" in kind else kind.get("enum", ["Any other"])
    return ", ".join(f"`{name}`" if name != "Any other" else name for name in names) + _form(model)


def _order(model: Mapping[str, Any]) -> tuple[bool, str]:
    title = _titles(model)
    return not title.startswith("`"), title


def _form(model: Mapping[str, Any]) -> str:
    return {"AuthoredTextElement": " as authored", "SearchListElement": " in one list"}.get(model["title"], "")


def _object(models: Mapping[str, Any], name: str, without: str) -> list[str]:
    model = models[name]
    lines = [" ".join(str(model.get("description", "")).split())]
    needed = model.get("required", [])
    rows = [
        f"| `{field}` | {_schema_kind(models, each)}{', *needed*' if field in needed else ''} | "
        f"{each.get('description') or _described(models, each)} |"
        for field, each in model["properties"].items()
        if field not in (without, "channels")
    ]
    return [*lines, "", "| field | type | meaning |", "|---|---|---|", *rows] if rows else lines


def _described(models: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    """What the model says that a field consists of; a field may leave that to it."""
    return next((str(models[name].get("description", "")).splitlines()[0] for name in _references(field)), "")


def _schema_kind(models: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return _link(models, field["$ref"].rpartition("/")[2])
    if "allOf" in field:
        return _schema_kind(models, field["allOf"][0])
    if "anyOf" in field:
        kinds = [_schema_kind(models, each) for each in field["anyOf"] if each.get("type") != "null"]
        if len(kinds) > 5:
            return "any [response type](#response-types)"
        return " or ".join(dict.fromkeys(kinds))
    if "const" in field or "enum" in field:
        return " or ".join(f"`{each}`" for each in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        items = field.get("items", {})
        most = f", at most {field['maxItems']}" if "maxItems" in field else ""
        return f"list: {_schema_kind(models, items)}{most}" if items else f"list{most}"
    if kind == "object":
        values = field.get("additionalProperties")
        if isinstance(values, Mapping) and values:
            return f"object: {_schema_kind(models, values)} by name"
        return "object"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return names.get(str(kind), "anything")


def _link(models: Mapping[str, Any], name: str) -> str:
    return f"[{name}](#{name.lower()})" if "response_type" not in models[name].get("properties", {}) else name


def schema_text() -> str:
    """docs/message-contract.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


MADE: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "message-contract.md": contract_page,
    "message-contract.schema.json": schema_text,
}
