"""A hub that does what an example of a page shows: a person's phone, an assistant, webhooks and a server of files.

It is a plugin too: its channel ``sms_page`` has the limits of SMS with Twilio.
"""

from __future__ import annotations

import io
import json
import re
import threading
import tomllib
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from hub_twilio.media import refused
from inprocess import PERSON, DoubleChannel, DoubleSettings, LocalHub, Turn
from pages import Block
from PIL import Image
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from hub import Answer, ChannelType, InboundMedia, TextChannelSettings, check_response, hookimpl
from hub.apply import apply
from hub.plugins import GROUP
from hub.testing import wait_until

PUBLIC_URL = "https://hub.example.org"
FILES = "https://files.example.org"
MINE = EntryPoint("page", "page_hub", GROUP)
WEBHOOKS = ("premessage", "postmessage", "log")
USUAL_BYTES = 20_000
ANY_SECRET = '"a-secret-word-of-the-environment-0123"'
TYPES = {"jpg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}


class PageChannel(DoubleChannel):
    """Takes and refuses what SMS with Twilio does."""

    max_length = 1600

    def media_refused(self, media_type: str, size: int | None, sender: str, recipient: str) -> str | None:
        return refused(media_type, size, sender, recipient)


@hookimpl
def register_channels() -> list[ChannelType]:
    return [ChannelType(name="sms_page", title="Page", channel=PageChannel, settings=DoubleSettings)]


class Outside:
    """The servers an example needs, on one port: webhooks that answer as the page says, and files.

    :param sizes: media type and bytes of each file by its address, where the page tells.
    """

    def __init__(self, sizes: Mapping[str, tuple[str, int]]) -> None:
        self.answers: dict[str, deque[Response]] = defaultdict(deque)
        self.posted: dict[str, list[Any]] = defaultdict(list)
        self._sizes = sizes
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _app(self, environ: Any, start: Any) -> Any:
        return self._reply(Request(environ))(environ, start)

    def _reply(self, request: Request) -> Response:
        name = request.path.strip("/")
        if name in WEBHOOKS:
            self.posted[name].append(request.get_json())
            return self.answers[name].popleft() if self.answers[name] else Response("{}", mimetype="application/json")
        extension = name.rpartition(".")[2]
        media_type, size = self._sizes.get(f"{FILES}/{name}") or (TYPES[extension], USUAL_BYTES)
        if request.method == "HEAD":
            return Response(headers={"Content-Type": media_type, "Content-Length": str(size)})
        return Response(_document() if extension == "pdf" else _picture(), content_type=media_type)


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "JPEG")
    return file.getvalue()


def _document() -> bytes:
    """A PDF of one line."""
    line = b"BT /F1 12 Tf 20 100 Td (Invoice 4711) Tj ET"
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(line), line),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    written, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(written))
        written += b"%d 0 obj%s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Root 1 0 R/Size 6>>\nstartxref\n%d\n%%%%EOF\n" % len(written)
    return written + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


class Example:
    """The blocks beneath one heading, played one after the other in one session.

    ==================== ===============================================================================================
    ``toml``             sections of the assistant and options of the integration that hold for the example
    ``json answer``      the assistant's next answer: the whole, its elements, or one element
    ``json variables``   variables that a dialog sets with that answer
    ``text phone``       ``│`` begins each line of a message the person gets, an empty line parts two; ``>`` is what the
                         person texts, before it or next, ``[name.jpg]`` a file in it; a title is the person's number
    ``json request``     a part of what the assistant is asked
    ``json premessage``  what the webhook answers, likewise ``postmessage``; ``http …`` with status and headers
    ``json posted``      a part of what was posted to the webhook last
    ``json logged``      a part of what was posted to the log webhook
    ==================== ===============================================================================================
    """

    def __init__(self, blocks: Sequence[Block], sizes: Mapping[str, tuple[str, int]], folder: Path) -> None:
        self._blocks = blocks
        self._sizes = sizes
        self._folder = folder
        self._answers: deque[dict[str, Any]] = deque()
        self._next_text = ""
        self._waits = False
        self._got: list[str] = []

    def play(self) -> None:
        self._outside = Outside(self._sizes)
        plugins = [each for each in entry_points(group=GROUP) if each.name in ("attachments", "webhooks")]
        try:
            with LocalHub(
                f"sqlite:///{self._folder / 'hub.sqlite3'}", self._folder,
                environment={"HUB_PUBLIC_URL": PUBLIC_URL}, plugins=[MINE, *plugins],
            ) as self._hub:  # fmt: skip
                self._hub.script.reply = self._reply
                self._configure()
                steps = {
                    "answer": self._answer, "variables": self._variables, "phone": self._phone,
                    "request": self._request, "premessage": self._webhook, "postmessage": self._webhook,
                    "posted": self._posted, "logged": self._logged,
                }  # fmt: skip
                for block in self._blocks:
                    if block.label:
                        steps[block.label](block)
                assert not self._answers, "an answer that nobody asked for"
        finally:
            self._outside.close()

    def _configure(self) -> None:
        sections: dict[str, Any] = {}
        options: dict[str, Any] = {"failure_message": "F!", "combine_messages": True}
        for block in self._blocks:
            if block.language == "toml":
                document = tomllib.loads(re.sub(r'\{ env = "\w+" \}', ANY_SECRET, block.text))
                for table in document.get("assistant", {}).values():
                    sections |= {name: each for name, each in table.items() if name not in ("plugin", "settings")}
                for table in document.get("integration", {}).values():
                    own = table.get("settings", {})
                    options |= {name: own[name] for name in TextChannelSettings.model_fields if name in own}
            elif block.label in WEBHOOKS and block.label not in sections:
                sections[block.label] = {}
        for name in sections.keys() & {*WEBHOOKS}:
            sections[name] = {**sections[name], "url": f"{self._outside.url}/{name}"}
        self._hub.configure(sections=sections)
        table = {"channel": "sms_page", "settings": {"double": self._hub.name, **options}}
        hub = self._hub.hub
        apply({"integration": {"sms": table}}, hub.store, hub.registry, hub.vault)
        hub.directory.refresh()
        if any(block.label == "logged" for block in self._blocks):
            hub.logs.start()

    def _reply(self, _text: str, _turn: Turn) -> Answer:
        return Answer(self._answers.popleft() if self._answers else {"output": {"generic": []}})

    def _text(self, person: str = PERSON) -> None:
        """The person texts what the page says, if that has not happened yet."""
        if not self._waits:
            return
        self._waits = False
        words, files = re.subn(r" ?\[([\w.-]+)\]", "", self._next_text or "hello"), []
        for name in re.findall(r"\[([\w.-]+)\]", self._next_text):
            files.append(InboundMedia(f"{self._outside.url}/{name}", TYPES[name.rpartition(".")[2]]))
        self._next_text = ""
        before = len(self._hub.provider.accepted)
        self._hub.text(words[0], person, media=tuple(files))
        self._hub.drain()
        self._got = [
            "\n".join([*([each.text] if each.text else []), *(f"[file {url}]" for url in each.media)])
            for each in self._hub.provider.accepted[before:]
        ]

    def _json(self, text: str) -> Any:
        return json.loads(text.replace(FILES, self._outside.url))

    def _answer(self, block: Block) -> None:
        value = self._json(block.text)
        elements = value if isinstance(value, list) else [value] if "response_type" in value else None
        answer = value if elements is None else {"output": {"generic": elements}}
        assert check_response(answer) == []
        self._answers.append(answer)
        self._waits = True

    def _variables(self, block: Block) -> None:
        if not self._answers:
            self._answers.append({"output": {"generic": []}})
        self._answers[-1]["context"] = {"skills": {"main skill": {"user_defined": self._json(block.text)}}}
        self._waits = True

    def _phone(self, block: Block) -> None:
        shown, said = [""], ""
        for line in block.text.rstrip("\n").split("\n"):
            if line.startswith(">") and shown == [""]:
                self._next_text, self._waits = line[1:].strip(), True
            elif line.startswith(">"):
                said = line[1:].strip()
            elif not line:
                shown.append("")
            else:
                assert line.startswith("│"), line
                shown[-1] += line[1:].removeprefix(" ") + "\n"
        expected = [message.rstrip("\n") for message in shown if message]
        if expected:
            self._text(block.title or PERSON)
            got = [message.replace(self._outside.url, FILES) for message in self._got]
            assert got == expected, f"{block.heading}: {got!r}"
        if said:
            self._next_text, self._waits = said, True

    def _request(self, block: Block) -> None:
        self._text()
        assert_holds(self._hub.script.requests[-1], self._json(block.text))

    def _webhook(self, block: Block) -> None:
        if block.language == "json":
            self._outside.answers[block.label].append(Response(block.text, mimetype="application/json"))
        else:
            head, _, body = block.text.partition("\n\n")
            status, *headers = head.split("\n")
            fields = dict(line.split(": ", 1) for line in headers)
            self._outside.answers[block.label].append(Response(body, status.removeprefix("HTTP/1.1 "), fields))
        self._waits = True

    def _posted(self, block: Block) -> None:
        self._text()
        (name,) = [name for name in ("premessage", "postmessage") if self._outside.posted[name]]
        assert_holds(self._outside.posted[name][-1], self._json(block.text))

    def _logged(self, block: Block) -> None:
        self._text()
        posted = self._outside.posted["log"]
        wait_until(lambda: posted, what="the log event")
        assert_holds(posted[-1], self._json(block.text))


def assert_holds(whole: Any, part: Any, path: str = "") -> None:
    """`part` is in `whole`: objects may have more fields, and ``…`` in a text stands for anything."""
    if isinstance(part, dict):
        assert isinstance(whole, dict), path
        for name, value in part.items():
            assert name in whole, f"{path}.{name} is missing"
            assert_holds(whole[name], value, f"{path}.{name}")
    elif isinstance(part, list):
        assert isinstance(whole, list), path
        assert len(whole) == len(part), f"{path}: {whole!r}"
        for position, value in enumerate(part):
            assert_holds(whole[position], value, f"{path}.{position}")
    elif isinstance(part, str) and "…" in part:
        pattern = ".+".join(re.escape(piece) for piece in part.split("…"))
        assert re.fullmatch(pattern, str(whole), re.DOTALL), f"{path}: {whole!r}"
    else:
        assert whole == part, f"{path}: {whole!r}"
