"""Commands to the channel in an assistant's answer: ``smsAction`` and ``smsActionSequence``.

Names, parameters and the places where they stand are those of IBM's SMS integration and of the SMS Gateway before it
(contract: SMS with Twilio, commands). The context comes back with every answer, so a command that stands there is run
when it appears and not again while it stays the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.log import get_logger
from hub.memory import Memory
from hub.rendering.text import CHANNEL, meant_for

MOST_FORCED = 5
"""Turns in a row an assistant may ask for itself."""
LONGEST_SESSION = 7 * 24 * 3600
LONGEST_PREFIX = 200
MOST_MEDIA = 50
_ACTION, _SEQUENCE = "smsAction", "smsActionSequence"
_OTHER_NAMES = {
    # IBM's documentation names these two by the phone's command, and misspells the third.
    "vgwActSetOptionsConfig": "smsActSetOptionsConfig",
    "vgwActSetDisambiguationConfig": "smsActSetDisambiguationConfig",
    "vsmsActSendMedia": "smsActSendMedia",
}
_IN_CONTEXT = (("main skill", "user_defined"), ("actions skill", "skill_variables"))


@dataclass(frozen=True, slots=True)
class Command:
    """One command and its parameters, as the assistant wrote them."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(slots=True)
class Effects:
    """What the commands of one answer come to.

    :param end: end the session after this turn's messages.
    :param media: addresses to send, after the texts.
    :param force_turn: run a further turn at once, without waiting for the person.
    :param option_prefix: of this and later lists, None: no change. :param suggestion_prefix: likewise.
    :param session_timeout: seconds, None: no change.
    :param ran: what ``Memory.ran`` is from now on. :param heeds: what ``Memory.heeds`` is.
    """

    end: bool = False
    media: list[str] = field(default_factory=list)
    force_turn: bool = False
    option_prefix: str | None = None
    suggestion_prefix: str | None = None
    session_timeout: int | None = None
    heeds: bool = False
    ran: dict[str, str] = field(default_factory=dict)


def effects(response: Mapping[str, Any], memory: Memory, *, keeps_context: bool) -> Effects:
    """Read the commands of a checked response, in the order in which they stand.

    :param keeps_context: the assistant keeps the context itself, so a command that is back may just be an old one,
        unless the assistant is known to heed the null it was sent for it; when the hub keeps the context, what was run
        was taken out of it, and a command that is back was set again.
    """
    result = Effects(heeds=memory.heeds)
    done: list[Command] = []
    for place, value in _places(response):
        if place is not None:
            mark = json.dumps(value, sort_keys=True)
            result.ran[place] = mark
            if keeps_context and not memory.heeds and memory.ran.get(place) == mark:
                continue
        for command in _commands(value):
            if command not in done:
                done.append(command)
                _run(command, result)
    if isinstance(response.get("context"), dict) and memory.ran.keys() - result.ran.keys():
        result.heeds = True
    return result


def cleared(ran: Mapping[str, str]) -> dict[str, Any]:
    """Context that sets every command that was run back to null, for the next request."""
    context: dict[str, Any] = {}
    for skill, group in _IN_CONTEXT:
        names = {name: None for name in (_ACTION, _SEQUENCE) if f"{skill}.{name}" in ran}
        if names:
            context.setdefault("skills", {})[skill] = {group: names}
    return context


def asks_for_turn(response: Mapping[str, Any]) -> bool:
    """Whether the assistant wants an empty turn at once (message contract, ``skip_user_input``)."""
    return _below(response, "context", "global", "system").get("skip_user_input") is True


def response_timeout(context: Mapping[str, Any]) -> float | None:
    """Seconds the assistant wants to be waited for (``smsConversationResponseTimeout``, in milliseconds), or None."""
    for skill, group in _IN_CONTEXT:
        number = _number(_below(context, "skills", skill, group).get("smsConversationResponseTimeout"))
        if number is not None and number > 0:
            return min(max(number / 1000, 0.1), 300.0)
    return None


def _places(response: Mapping[str, Any]) -> Iterator[tuple[str | None, Any]]:
    """Every value under one of the two names, with the place's name where it comes back with the context."""
    for skill, group in _IN_CONTEXT:
        variables = _below(response, "context", "skills", skill, group)
        for name in (_ACTION, _SEQUENCE):
            if variables.get(name) is not None:
                yield f"{skill}.{name}", variables[name]
    # Version 1 of the contract had them in output itself.
    holders = [_below(response, "output"), _below(response, "output", "user_defined")]
    holders += [
        _below(element, "user_defined")
        for element in response["output"].get("generic", [])
        if element.get("response_type") == "user_defined" and meant_for(CHANNEL, element)
    ]
    for holder in holders:
        for name in (_ACTION, _SEQUENCE):
            if holder.get(name) is not None:
                yield None, holder[name]


def _commands(value: Any) -> Iterator[Command]:
    for entry in value if isinstance(value, list) else [value]:
        name = entry.get("command") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            get_logger().warning("command_ignored", reason="it is not an object with a command")
            continue
        parameters = entry.get("parameters", entry.get("parameter"))
        yield Command(_OTHER_NAMES.get(name, name), parameters if isinstance(parameters, dict) else {})


def _run(command: Command, result: Effects) -> None:
    name, given = command.name, command.parameters
    problem = None
    if name == "terminateSession":
        result.end = True
    elif name == "smsActForceNoInputTurn":
        result.force_turn = True
    elif name == "smsActSendMedia":
        urls = given.get("mediaURL")
        found = [url for url in (urls if isinstance(urls, list) else [urls]) if isinstance(url, str) and url.strip()]
        result.media.extend(found[: MOST_MEDIA - len(result.media)])
        problem = None if found else "mediaURL names no address"
    elif name in ("smsActSetOptionsConfig", "smsActSetDisambiguationConfig"):
        prefix = given.get("prefixText")
        if not isinstance(prefix, str) or len(prefix) > LONGEST_PREFIX:
            problem = f"prefixText is not a text of at most {LONGEST_PREFIX} characters"
        elif name == "smsActSetOptionsConfig":
            result.option_prefix = prefix
        else:
            result.suggestion_prefix = prefix
    elif name == "setSessionTimeoutCount":
        seconds = _number(given.get("count"))
        if seconds is None or not 1 <= seconds <= LONGEST_SESSION:
            problem = f"count is not a number of seconds from 1 to {LONGEST_SESSION}"
        else:
            result.session_timeout = int(seconds)
    else:
        problem = "it is not known"
    if problem:
        get_logger().warning("command_ignored", command=name[:60], reason=problem)


def _below(value: Any, *path: str) -> Mapping[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    """Assistants write numbers as numbers or as texts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 20:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None
