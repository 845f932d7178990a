"""Turns with files to offer to the plugin, pictures and documents to put in them, a web server and a clamd."""

from __future__ import annotations

import io
import random
import socket
import struct
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import hub_attachments
import puremagic
import pytest
import structlog
from hub_attachments.settings import AttachmentSettings
from PIL import Image
from structlog.testing import LogCapture

from hub import Attachment, Attachments, HttpClient, Services, Session, Turn

ORIENTATION, MAKE, GPS = 0x0112, 0x010F, 0x8825


def gps(orientation: int = 1) -> Image.Exif:
    """EXIF as a phone writes it, with the place."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, "Secret Phones"
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return exif


def corners(width: int = 40, height: int = 24, mode: str = "RGB") -> Image.Image:
    """A blue picture whose left upper quarter is red."""
    image = Image.new(mode, (width, height), (0, 0, 255, 255)[: len(mode)])
    image.paste((255, 0, 0, 255)[: len(mode)], (0, 0, width // 2, height // 2))
    return image


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """The picture that compresses worst."""
    return Image.frombytes(mode, (width, height), random.Random(7).randbytes(width * height * len(mode)))


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pdf(*pages: str) -> bytes:
    """A PDF with one line of text on each page."""
    return pdf_of(*(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode() for text in pages))


def pdf_of(*pages: bytes, entries: str = "") -> bytes:
    """A PDF written by hand.

    :param pages: what draws each page; /F1 is a font, /X a form that draws itself.
    :param entries: further ones of the dictionary of each page's stream.
    """
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Type/XObject/Subtype/Form/Resources<</XObject<</X 4 0 R>>>>/Length 5>>\nstream\n/X Do\nendstream",
    ]
    for number, content in enumerate(pages):
        resources = "/Resources<</Font<</F1 3 0 R>>/XObject<</X 4 0 R>>>>"
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]{resources}/Contents {6 + 2 * number} 0 R>>"
        bodies.append(page.encode())
        bodies.append(f"<<{entries}/Length {len(content)}>>\nstream\n".encode() + content + b"\nendstream")
    data, offsets = [b"%PDF-1.4\n"], []
    for number, body in enumerate(bodies, 1):
        offsets.append(sum(map(len, data)))
        data.append(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<</Root 1 0 R/Size {len(bodies) + 1}>>\nstartxref\n{sum(map(len, data))}\n%%EOF\n"
    data.append(f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}{trailer}".encode())
    return b"".join(data)


def sniff(data: bytes, hint: str) -> str:
    """The media type by the content, as the hub tells it."""
    with suppress(puremagic.PureError, ValueError):
        if found := puremagic.from_string(data, mime=True):
            return found
    try:
        data.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return hint or "text/plain"


class Keeper(dict[str, bytes]):
    """Keeps the bytes of attachments in memory."""

    def open(self, key: str) -> BinaryIO:
        if key not in self:
            raise FileNotFoundError(key)
        return io.BytesIO(self[key])

    def keep(self, data: bytes) -> str:
        key = uuid.uuid4().hex
        self[key] = data
        return key

    def url(self, attachment_id: uuid.UUID) -> str:
        return f"https://hub.example/media/{attachment_id.hex}"


@dataclass
class Bench:
    """Calls the hooks as the hub does."""

    http: HttpClient = field(default_factory=lambda: HttpClient(allow_private=True))
    captured: LogCapture = field(default_factory=LogCapture)
    keeper: Keeper = field(default_factory=Keeper)

    @property
    def log(self) -> str:
        return repr(self.captured.entries)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [entry for entry in self.captured.entries if entry["event"] == name]

    def file(self, data: bytes, media_type: str | None = None, name: str = "") -> Attachment:
        found = sniff(data, "") if media_type is None else media_type
        identifier = uuid.uuid4()
        return Attachment(
            identifier, found, len(data), name, self.keeper.url(identifier), self.keeper.keep(data), self.keeper.open
        )

    def turn(self, *files: bytes | Attachment, session: dict[str, Any] | None = None, **settings: Any) -> Turn:
        items = [self.file(each) if isinstance(each, bytes) else each for each in files]
        logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.captured])
        return Turn(
            id=uuid.uuid4(), assistant="support", integration="support-sms", channel="sms", kind="text",
            person="+15550000002", line="+15550000001", number="+15550000001", correlation="c-1",
            session=Session(uuid.uuid4(), None, {}, 0, {} if session is None else session),
            attachments=Attachments(items, self.keeper, sniff, uuid.uuid4),
            services=Services(self.http, logger, None),  # type: ignore[arg-type]
            sections={"attachments": AttachmentSettings.model_validate(settings)},
        )  # fmt: skip

    def premessage(self, turn: Turn, text: str = "look") -> Any:
        return hub_attachments.premessage(turn, {"input": {"text": text}, "context": {"global": {}}})

    def listed(self, turn: Turn, text: str = "look") -> list[dict[str, Any]]:
        """What the assistant is told about the files of `turn`."""
        listed = self.premessage(turn, text)["context"]["skills"]["main skill"]["user_defined"]["attachments"]
        assert isinstance(listed, list)
        return listed

    def through(self, data: bytes, **settings: Any) -> tuple[dict[str, Any], bytes | None]:
        """What becomes of one file: what is told about it, and its content, None when it was dropped."""
        turn = self.turn(data, **settings)
        (entry,) = self.listed(turn)
        left = [each.read() for each in turn.attachments]
        assert len(left) == ("rejected" not in entry)
        return entry, left[0] if left else None

    def postmessage(self, turn: Turn, *elements: dict[str, Any]) -> Any:
        return hub_attachments.postmessage(turn, {"output": {"generic": list(elements)}})


@pytest.fixture
def make() -> SimpleNamespace:
    """Files to put into turns."""
    return SimpleNamespace(
        gps=gps,
        corners=corners,
        noise=noise,
        saved=saved,
        opened=opened,
        pdf=pdf,
        pdf_of=pdf_of,
        GPS=GPS,
        ORIENTATION=ORIENTATION,
    )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return Bench()


class Web(ThreadingHTTPServer):
    """Serves `files` by path; a number is a bare status, a text a redirect."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, bytes | int | str] = {}
        self.asked: list[str] = []

    def put(self, path: str, content: bytes | int | str) -> str:
        self.files[path] = content
        return self.root + path


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path, 404)
        status = 200 if isinstance(content, bytes) else 302 if isinstance(content, str) else content
        body = content if isinstance(content, bytes) else b""
        self.send_response(status)
        if isinstance(content, str):
            self.send_header("Location", content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


Behaviour = Callable[["Clamd", socket.socket], None]


class Clamd:
    """A stand-in for clamd that behaves as a test says; by default it finds b"EICAR" and knows a size limit."""

    def __init__(self, listener: socket.socket, setting: str) -> None:
        self.setting = setting
        self.behaviour: Behaviour = scans
        self.limit = 25_000_000
        self.scanned: list[bytes] = []
        self.released = threading.Event()
        self._listener = listener
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.behaviour(self, connection)

    def close(self) -> None:
        self.released.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()


def scans(clamd: Clamd, connection: socket.socket) -> None:
    """As clamd does it."""
    file = connection.makefile("rb")
    command = b""
    while not command.endswith(b"\0"):
        command += file.read(1) or b"\0"
    if command == b"zPING\0":
        connection.sendall(b"PONG\0")
        return
    assert command == b"zINSTREAM\0"
    data = b""
    while length := struct.unpack(">I", file.read(4))[0]:
        if len(data) + length > clamd.limit:
            connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
            return
        data += file.read(length)
    clamd.scanned.append(data)
    connection.sendall(b"stream: Eicar-Test-Signature FOUND\0" if b"EICAR" in data else b"stream: OK\0")


@pytest.fixture(params=["unix", "tcp"])
def clamd(request: pytest.FixtureRequest) -> Iterator[Clamd]:
    with tempfile.TemporaryDirectory(prefix="clamd", dir="/tmp") as folder:
        if request.param == "unix":
            path = str(Path(folder) / "clamd.ctl")
            listener, setting = socket.socket(socket.AF_UNIX), f"unix:{path}"
            listener.bind(path)
        else:
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            setting = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        listener.listen()
        double = Clamd(listener, setting)
        yield double
        double.close()
