"""The message contract: what an assistant is asked and what it answers. (IBM watsonx Assistant v2 message contract.)

Two readings. An assistant's answer is read leniently (`check_response`): what is wrong is named, and shown as far as it
can be. What a webhook puts in place of a request or of an answer is read strictly (`require_request`,
`require_response`). Both keep what they do not know: fields, and response types.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from hub.contract.checked import checked, storable
from hub.contract.problems import ContractError, Problem, problem

if TYPE_CHECKING:
    from hub.contract.request import MessageRequest
    from hub.contract.response import MessageResponse

__all__ = [
    "ContractError",
    "Problem",
    "check_response",
    "checked",
    "require_request",
    "require_response",
    "schema",
    "storable",
]

MOST_PROBLEMS = 20
MOST_LOOKED_AT = 1000
_NOT_JSON = Problem("", "must be plain JSON, not nested too deep")


def check_response(value: Any) -> list[Problem]:
    """What is wrong with an assistant's answer, at most 20 problems; an empty list for a valid one.

    Lenient: numbers pass for texts, everything that is not needed may be missing or null, and where sources of the
    contract contradict each other each form is right.
    """
    try:
        _response().model_validate(value, extra="ignore")  # nobody looks at what is made, and less is quicker
    except ValidationError as error:
        return _problems(error)
    return []


def require_request(value: Any) -> None:
    """Make sure that `value` is the body of a message request; every part of it may be missing.

    :raises ContractError: it is not.
    """
    _require(_request(), value)


def require_response(value: Any) -> None:
    """Make sure that `value` can stand in place of an assistant's answer.

    :raises ContractError: it cannot.
    """
    _require(_response(), value)


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a message request and a message response, with every response type under ``$defs``."""
    from hub.contract.document import document

    return document()


def _require(model: type[BaseModel], value: Any) -> None:
    if not storable(value):
        raise ContractError([_NOT_JSON])
    # As JSON, because pydantic's strict reading of Python values wants instances of the models.
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    try:
        model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ContractError(_problems(error)) from None


def _problems(error: ValidationError) -> list[Problem]:
    if error.error_count() > MOST_LOOKED_AT:  # each takes memory
        return [Problem("", f"has {error.error_count()} problems")]
    found = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
    return list(dict.fromkeys(problem(one) for one in found))


# The models are made on first use: a command that handles no message does without them.


@cache
def _request() -> type[MessageRequest]:
    from hub.contract.request import MessageRequest

    return MessageRequest


@cache
def _response() -> type[MessageResponse]:
    from hub.contract.response import MessageResponse

    return MessageResponse
