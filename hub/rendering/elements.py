"""What each response type says in a text message. (IBM watsonx Assistant v2 message contract, response types.)

An assistant may send anything: whatever has not the form it should have is shown as far as it can be, and nothing here
raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.characters import encodable
from hub.log import get_logger
from hub.rendering.choices import Choice, choice
from hub.rendering.markup import plain

SUGGESTIONS_TITLE = "Did you mean:"
COMMANDS = ("smsAction", "smsActionSequence")


@dataclass(frozen=True, slots=True)
class Block:
    """What one element says: a text, the address of a file, or both."""

    text: str
    media: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What an element is shown in: how entries of lists are numbered, those of the answer so far, and the channel.

    :param option_prefix: stands before the label of an option; ``%s`` becomes the number.
    :param suggestion_prefix: the same for suggestions; a space follows unless it ends in white space.
    """

    option_prefix: str
    suggestion_prefix: str
    choices: list[Choice]
    channel: str

    def entry(self, label: str, entry: Any, suggestion: bool) -> str:
        """The line of one more entry."""
        self.choices.append(choice(label, entry))
        prefix = self.suggestion_prefix if suggestion else self.option_prefix
        gap = " " if suggestion and prefix and not prefix[-1].isspace() else ""
        return prefix.replace("%s", str(len(self.choices))) + gap + shown(label).strip()


def said(value: Any) -> str:
    """The text that `value` is: a text, a number, or a list of them, one a line; empty for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return "\n".join(filter(None, (said(part) for part in value if not isinstance(part, list))))
    return ""


def shown(value: Any) -> str:
    """The text that `value` is, as a person gets it: without markup."""
    return plain(encodable(said(value)))


def blocks(element: Mapping[str, Any], scene: Scene) -> Iterator[Block]:
    """What `element` says; nothing, with a warning, if that cannot be a text message."""
    kind = element.get("response_type")
    write = _WRITERS.get(kind) if isinstance(kind, str) else None
    if write is not None:
        yield from write(element, scene)
    elif kind == "user_defined":
        _note_user_defined(element, scene.channel)
    elif kind != "pause":
        _skipped(kind, scene.channel)


def _skipped(kind: Any, channel: str) -> None:
    get_logger().warning("response_type_skipped", response_type=said(kind)[:40], channel=channel)


def _note_user_defined(element: Mapping[str, Any], channel: str) -> None:
    data = element.get("user_defined")
    if not isinstance(data, dict) or not any(command in data for command in COMMANDS):
        get_logger().debug("response_type_skipped", response_type="user_defined", channel=channel)


def _lines(*texts: str) -> Iterator[Block]:
    if text := "\n".join(text for text in texts if text.strip()):
        yield Block(text)


def _text(element: Mapping[str, Any], _: Scene) -> Iterator[Block]:
    text = element.get("text")
    if text is None and isinstance(element.get("values"), list):
        text = _wording(element)
    if not isinstance(text, str) and not said(text):
        get_logger().warning("response_text_skipped", found=type(text).__name__)
    yield from _lines(shown(text))


def _wording(element: Mapping[str, Any]) -> str:
    """The text of an element in the form it is authored in; all wordings unless the policy asks for one."""
    wordings = [said(value.get("text") if isinstance(value, dict) else value) for value in element["values"]]
    wordings = [wording for wording in wordings if wording.strip()]
    if element.get("selection_policy") in ("sequential", "random"):
        return wordings[0] if wordings else ""
    delimiter = element.get("delimiter")
    return (delimiter if isinstance(delimiter, str) else "\n").join(wordings)


def _media(element: Mapping[str, Any], scene: Scene) -> Iterator[Block]:
    source = encodable(said(element.get("source"))).strip()
    words = list(_lines(shown(element.get("title")), shown(element.get("description"))))
    if source.lower().startswith(("https://", "http://")):
        yield Block(words[0].text if words else "", source)
        return
    # A provider refuses the whole message for an address it cannot fetch from.
    _skipped(element.get("response_type"), scene.channel)
    yield from words


def _option(element: Mapping[str, Any], scene: Scene) -> Iterator[Block]:
    return _list(shown(element.get("title")), element.get("options"), scene, suggestion=False)


def _suggestion(element: Mapping[str, Any], scene: Scene) -> Iterator[Block]:
    title = shown(element.get("title"))
    return _list(title if title.strip() else SUGGESTIONS_TITLE, element.get("suggestions"), scene, suggestion=True)


def _list(title: str, entries: Any, scene: Scene, suggestion: bool) -> Iterator[Block]:
    lines = [title]
    for entry in entries if isinstance(entries, list) else []:
        label = _label(entry)
        if shown(label).strip():
            lines.append(scene.entry(label, entry, suggestion))
    yield from _lines(*lines)


def _label(entry: Any) -> str:
    """What an entry is called: its label, else the text it stands for."""
    if not isinstance(entry, dict):
        return said(entry)
    label = said(entry.get("label"))
    if shown(label).strip():
        return label
    value = entry.get("value")
    found = value.get("input") if isinstance(value, dict) else None
    return said(found.get("text")) if isinstance(found, dict) else said(value)


def _search(element: Mapping[str, Any], _: Scene) -> Iterator[Block]:
    groups = (element.get(name) for name in ("primary_results", "results", "additional_results"))
    first = next((group[0] for group in groups if isinstance(group, list) and group), None)
    yield from _lines(shown(element.get("header")), _found(first) if isinstance(first, dict) else "")


def _found(result: Mapping[str, Any]) -> str:
    body = shown(result.get("body"))
    highlight = result.get("highlight")
    if body.strip() or not isinstance(highlight, dict):
        return body
    return shown(highlight.get("body"))


def _transfer(element: Mapping[str, Any], _: Scene) -> Iterator[Block]:
    message = element.get("message_to_user")
    if isinstance(message, dict):
        message = message.get("message") or message.get("text")
    address: Any = element
    for name in ("transfer_info", "target", "chat", "url"):
        address = address.get(name) if isinstance(address, dict) else None
    yield from _lines(shown(message), encodable(said(address)).strip())


_WRITERS: Mapping[str, Callable[[Mapping[str, Any], Scene], Iterator[Block]]] = {
    "text": _text,
    "image": _media,
    "audio": _media,
    "video": _media,
    "option": _option,
    "suggestion": _suggestion,
    "search": _search,
    "conversation_search": _text,
    "conversational_search": _text,
    "channel_transfer": _transfer,
}
