"""Reading what a message webhook answers (Twilio: "TwiML for Programmable Messaging")."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin
from xml.etree import ElementTree

from hub_simulator.exchange import Answer

XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})
MAX_REPLIES = 10


class TwimlError(Exception):
    """The answer cannot be used; `code` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Reply:
    """A `<Message>`."""

    body: str
    media_urls: tuple[str, ...] = ()
    to: str = ""
    from_: str = ""
    action: str = ""
    method: str = "POST"
    status_callback: str = ""


@dataclass(frozen=True)
class Redirect:
    """A `<Redirect>`: go on with the TwiML of another URL."""

    url: str
    method: str = "POST"


def read(answer: Answer, url: str) -> list[Reply | Redirect]:
    """The verbs of a webhook's answer, in order. Plain text is one reply."""
    if answer.too_long:
        raise TwimlError(11750)
    if not answer.body.strip():
        return []
    if answer.content_type == "text/plain":
        return [Reply(answer.body.decode("utf-8", "replace"))]
    if answer.content_type not in XML_TYPES:
        raise TwimlError(12300)
    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314 - at most 64 kB, and expat limits entities
    except ElementTree.ParseError:
        raise TwimlError(12100) from None
    if root.tag != "Response":
        raise TwimlError(12200)
    verbs = [_verb(element, url) for element in root]
    if sum(isinstance(verb, Reply) for verb in verbs) > MAX_REPLIES:
        raise TwimlError(14109)
    return verbs


def _verb(element: ElementTree.Element, url: str) -> Reply | Redirect:
    if element.tag == "Redirect":
        return Redirect(urljoin(url, (element.text or "").strip()), _method(element))
    if element.tag != "Message":
        raise TwimlError(14110)
    bodies = element.findall("Body")
    body = "".join(part.text or "" for part in bodies) if bodies else (element.text or "").strip()
    media = tuple(urljoin(url, (part.text or "").strip()) for part in element.findall("Media"))
    if (not body and not media) or len(body) > 1600 or len(media) > 10:
        raise TwimlError(14103)
    return Reply(
        body=body,
        media_urls=media,
        to=element.get("to", ""),
        from_=element.get("from", ""),
        action=_resolved(element.get("action"), url),
        method=_method(element),
        status_callback=_resolved(element.get("statusCallback"), url),
    )


def _method(element: ElementTree.Element) -> str:
    method = element.get("method", "POST").upper()
    if method not in ("GET", "POST"):
        raise TwimlError(14104)
    return method


def _resolved(link: str | None, url: str) -> str:
    return urljoin(url, link) if link else ""
