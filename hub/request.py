"""The message request of one turn (IBM watsonx Assistant v2 message contract, as its SMS integration sends it)."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hub.attachments import Attachment
from hub.turns import Turn

TIMEOUT_INPUT = "smsResponseTimeout"
"""Input text of the turn that tells an assistant of a session time-out (SMS Gateway)."""
MAX_ATTACHMENTS = 5
_BREAKS = re.compile(r"[\r\n\t]+")


def user_id(person: str) -> str:
    """What assistants get for the phone number: the MD5 of its E.164 form, as IBM's phone and SMS channels do."""
    return hashlib.md5(person.encode(), usedforsecurity=False).hexdigest()


def text_request(turn: Turn, text: str, *, with_context: bool) -> dict[str, Any]:
    """The request for one text of a person.

    CR, LF and TAB, which the contract forbids in ``input.text``, become one space. Both generations of the channel's
    variables are sent: ``user_defined.sms…`` and ``context.integrations.text_messaging``.

    :param with_context: put the whole context of the last answer under the channel's variables (stateless assistants).
    """
    user = user_id(turn.person)
    request: dict[str, Any] = {
        "input": {
            "message_type": "text",
            "text": _BREAKS.sub(" ", text),
            "source": {"type": "user", "id": user},
            "options": {"suggestion_only": False, "return_context": True},
        },
        "context": {
            "global": {"system": {"user_id": user}},
            "skills": {
                "main skill": {
                    "user_defined": {
                        "smsTenantPhoneNumber": turn.number,
                        "smsUserPhoneNumber": turn.person,
                        "smsSessionID": f"text_messaging-{user}",
                        "smsMedia": [],
                    }
                }
            },
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
    if with_context:
        request["context"] = merged(turn.session.context, request["context"])
    return _list(request, list(turn.attachments))


def with_attachments(request: dict[str, Any], attachments: Iterable[Attachment]) -> dict[str, Any]:
    """`request` with exactly these attachments, in ``input.attachments`` (at most 5) and in ``smsMedia``."""
    return _list(copy.deepcopy(request), list(attachments))


def _list(changed: dict[str, Any], files: list[Attachment]) -> dict[str, Any]:
    listed = [{"url": file.url, "media_type": file.media_type} for file in files[:MAX_ATTACHMENTS]]
    if listed:
        changed["input"]["attachments"] = listed
    else:
        changed["input"].pop("attachments", None)
    skills = changed.setdefault("context", {}).setdefault("skills", {})
    variables = skills.setdefault("main skill", {}).setdefault("user_defined", {})
    variables["smsMedia"] = [{"mediaURL": file.url, "mediaContentType": file.media_type} for file in files]
    return changed


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `base`: objects are merged at every depth, everything else of `over` replaces."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
