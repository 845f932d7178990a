"""The message request of one turn (IBM watsonx Assistant v2 message contract, as its SMS integration sends it)."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.attachments import Attachment
from hub.log import get_logger
from hub.turns import Turn

INPUTS = {"timeout": "smsResponseTimeout", "no_input": "smsNoInputTurn", "skip": ""}
"""Input text by kind of turn: a session that timed out (SMS Gateway), ``smsActForceNoInputTurn``, and
``skip_user_input``, which asks for an empty turn (message contract)."""
MAX_ATTACHMENTS = 5
LONGEST_TEXT = 2048
"""Characters of ``input.text`` the contract allows."""
_BREAKS = re.compile(r"[\r\n\t]+")


def user_id(person: str) -> str:
    """What assistants get for the phone number: the MD5 of its E.164 form, as IBM's phone and SMS channels do."""
    return hashlib.md5(person.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is made of beside the turn.

    :param text: what the person wrote, or the text that stands for the kind of turn.
    :param chosen: the ``value.input`` of the list entry that the text picked, or None.
    :param changes: context to lay over the assistant's own: commands that were run are taken back, and what hooks have
        changed in the last answer's context is told.
    :param error: the last failure to send to this person that no turn has told yet, or None.
    :param with_context: put the whole context of the last answer under the channel's variables (stateless assistants).
    """

    text: str
    chosen: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    with_context: bool = False


def text_request(turn: Turn, asked: Asked) -> dict[str, Any]:
    """The request for one text of a person.

    CR, LF and TAB, which the contract forbids in ``input.text``, become one space. Both generations of the channel's
    variables are sent: ``user_defined.sms…`` and ``context.integrations.text_messaging``. The input of a list's entry
    goes out unchanged, but for ``source`` and ``options`` if it has none.
    """
    user = user_id(turn.person)
    variables: dict[str, Any] = {
        "smsTenantPhoneNumber": turn.number,
        "smsUserPhoneNumber": turn.person,
        "smsSessionID": f"text_messaging-{user}",
        "smsMedia": [],
    }
    if asked.error is not None:
        variables["smsError"] = dict(asked.error)
    elif "smsError" in _variables(turn.session.context):
        variables["smsError"] = None
    common = {
        "source": {"type": "user", "id": user},
        "options": {"suggestion_only": False, "return_context": True},
    }
    own = {"message_type": "text", "text": _line(asked.text, turn.correlation)}
    request: dict[str, Any] = {
        "input": {**common, **copy.deepcopy(dict(asked.chosen))} if asked.chosen is not None else {**own, **common},
        "context": {
            "global": {"system": {"user_id": user}},
            "skills": {"main skill": {"user_defined": variables}},
            "integrations": {
                "channel": {"name": "SMS", "private": {"user": {"id": turn.person, "phone_number": turn.person}}},
                "text_messaging": {
                    "assistant_phone_number": turn.number,
                    "private": {"user_phone_number": turn.person, "request_id": str(turn.id)},
                },
            },
        },
        "user_id": user,
    }
    request["context"] = merged(asked.changes, request["context"])
    if asked.with_context:
        request["context"] = merged(turn.session.context, request["context"])
        # It was done as it said; left in place it would be found again in every answer that echoes the context.
        request["context"]["global"]["system"].pop("skip_user_input", None)
    return _list(request, list(turn.attachments))


def _variables(context: Any) -> Mapping[str, Any]:
    below: Any = context
    for name in ("skills", "main skill", "user_defined"):
        below = below.get(name) if isinstance(below, Mapping) else None
    return below if isinstance(below, Mapping) else {}


def told_error(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ``smsError`` that a request tells, or None."""
    error = _variables(request.get("context", {})).get("smsError")
    return error if isinstance(error, dict) else None


def _line(text: str, correlation: str) -> str:
    """`text` as the contract wants it: one line of at most 2,048 characters."""
    line = _BREAKS.sub(" ", text)
    if len(line) > LONGEST_TEXT:
        get_logger().warning("input_cut", characters=len(line), most=LONGEST_TEXT, correlation=correlation)
        line = line[:LONGEST_TEXT]
    return line


def bounded(request: dict[str, Any], correlation: str) -> dict[str, Any]:
    """`request` with an ``input.text`` as the contract wants it, whatever a hook has made of it."""
    text = request["input"].get("text")
    if not isinstance(text, str) or (line := _line(text, correlation)) == text:
        return request
    return {**request, "input": {**request["input"], "text": line}}


def with_attachments(request: dict[str, Any], attachments: Iterable[Attachment]) -> dict[str, Any]:
    """`request` with exactly these attachments, in ``input.attachments`` (at most 5) and in ``smsMedia``."""
    return _list(copy.deepcopy(request), list(attachments))


def _list(changed: dict[str, Any], files: list[Attachment]) -> dict[str, Any]:
    listed = [{"url": file.url, "media_type": file.media_type} for file in files[:MAX_ATTACHMENTS]]
    if listed:
        changed["input"]["attachments"] = listed
    else:
        changed["input"].pop("attachments", None)
    variables = changed
    for name in ("context", "skills", "main skill", "user_defined"):
        if not isinstance(variables.get(name), dict):  # a hook or an assistant may have put anything there
            variables[name] = {}
        variables = variables[name]
    variables["smsMedia"] = [{"mediaURL": file.url, "mediaContentType": file.media_type} for file in files]
    return changed


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `base`: objects are merged at every depth, everything else of `over` replaces."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be laid upon `before` so that it says what `after` says; what is gone is null."""
    result: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        below = before.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            if inner := difference(below, value):
                result[name] = inner
        elif name not in before or below != value:
            result[name] = value
    return result
