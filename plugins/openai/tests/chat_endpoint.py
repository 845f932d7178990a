"""A stand-in for a chat-completions endpoint that refuses what the real one refuses, and an assistant that asks it."""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, BinaryIO

import structlog
from hub_openai.assistant import ChatAssistant
from hub_openai.settings import ChatSettings

from hub import Attachments, HttpClient, Services, Session, Turn

API_KEY = "sk-for-tests-0123456789"
MODEL = "model-1"
PARAMETERS = {
    "model", "messages", "temperature", "top_p", "n", "stream", "stop", "max_tokens", "max_completion_tokens", "user",
}  # fmt: skip


def problem(body: Any) -> str | None:
    """What the API would refuse about a request, or None."""
    if not isinstance(body, dict):
        return "not an object"
    if unknown := set(body) - PARAMETERS:
        return f"unknown parameters {sorted(unknown)}"
    if not isinstance(body.get("model"), str):
        return "model is not a text"
    if any(body.get(name) is not None and type(body[name]) is not int for name in ("max_tokens", "n")):
        return "not a whole number"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages is not a list"
    return next((f"messages[{at}]: {wrong}" for at, each in enumerate(messages) if (wrong := wrong_with(each))), None)


def wrong_with(message: Any) -> str | None:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        return "not role and content"
    if message["role"] not in ("system", "user", "assistant"):
        return "unknown role"
    content = message["content"]
    if isinstance(content, str):
        return None
    if not isinstance(content, list) or not content or message["role"] != "user":
        return "content is neither a text nor parts"
    for part in content:
        kind = part.get("type")
        text = kind == "text" and set(part) == {"type", "text"} and isinstance(part["text"], str) and part["text"]
        if not text and not (kind == "image_url" and isinstance(part.get("image_url", {}).get("url"), str)):
            return "a part is neither a text nor an image_url"
    return None


def completion(content: Any, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{**choice, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def error(code: str | None, kind: str = "invalid_request_error", message: str = "") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@dataclass(frozen=True)
class Call:
    """One request the stand-in got."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.body["messages"]
        return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Double

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.command, self.path, dict(self.headers), json.loads(raw or b"null"))
        self.server.calls.append(call)
        if self.server.planned:
            self.server.planned.popleft()(self)
        else:
            self.reply(*self.server.answer(call))

    def do_GET(self) -> None:
        self.do_POST()

    def reply(self, status: int, body: Any, content_type: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class Double(ThreadingHTTPServer):
    """The stand-in; `planned` are answers to give instead of its own, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.calls: list[Call] = []
        self.planned: deque[Callable[[Handler], None]] = deque()

    def handle_error(self, *_: Any) -> None:
        """Quiet: clients that give up are part of the tests."""

    def plan(self, status: int, body: Any, content_type: str = "application/json") -> None:
        self.planned.append(lambda handler: handler.reply(status, body, content_type))

    def answer(self, call: Call) -> tuple[int, Any]:
        if call.headers.get("Authorization") != f"Bearer {API_KEY}":
            return 401, error("invalid_api_key", message=f"Incorrect API key {call.headers.get('Authorization')}")
        if (call.method, call.path) == ("GET", "/v1/models"):
            return 200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]}
        if (call.method, call.path) != ("POST", "/v1/chat/completions"):
            return 404, error(None, message="no such path")
        if wrong := problem(call.body):
            return 400, error(None, message=wrong)
        if call.body["model"] != MODEL:
            return 404, error("model_not_found", message="The model does not exist")
        content = call.messages[-1]["content"]
        text = content if isinstance(content, str) else f"{len(content)} parts"
        return 200, completion(f"you said {text}")


class Files:
    """Keeps attachments in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def open(self, key: str) -> BinaryIO:
        if key not in self.kept:
            raise FileNotFoundError(key)
        return BytesIO(self.kept[key])

    def keep(self, data: bytes) -> str:
        key = str(len(self.kept))
        self.kept[key] = data
        return key

    def url(self, attachment_id: uuid.UUID) -> str:
        return f"https://hub.example/media/{attachment_id}"


class NoSecrets:
    def get(self, name: str) -> dict[str, Any] | None:
        return None

    def put(self, name: str, value: dict[str, Any]) -> None:
        raise AssertionError("nothing is to be kept")


@dataclass
class Bench:
    """The stand-in, an assistant that asks it, and the store of one session."""

    double: Double
    http: HttpClient = field(default_factory=lambda: HttpClient(allow_private=True))
    files: Files = field(default_factory=Files)
    store: dict[str, Any] = field(default_factory=dict)
    answered: int = 0

    def assistant(self, **changes: Any) -> ChatAssistant:
        given = {
            "base_url": self.double.url, "api_key": API_KEY, "model": MODEL, "system_prompt": "Be kind.", "timeout": 5,
        }  # fmt: skip
        services = Services(self.http, structlog.get_logger(), NoSecrets())
        return ChatAssistant(ChatSettings(**(given | changes)), services)

    def turn(self, kind: str = "text", files: Any = (), timeout: float | None = None) -> Turn:
        attachments = Attachments([], self.files, lambda data, hint: hint, uuid.uuid4)
        for media_type, data in files:
            attachments.add(data, media_type)
        return Turn(
            id=uuid.uuid4(),
            assistant="support",
            integration="support-sms",
            channel="sms",
            kind=kind,
            person="+15550000002",
            line="+15550000001",
            number="+15550000001",
            correlation="c-1",
            session=Session(uuid.uuid4(), None, {}, self.answered, self.store),
            attachments=attachments,
            services=Services(self.http, structlog.get_logger(), NoSecrets()),
            timeout=timeout,
        )

    def ask(self, text: str = "hello", assistant: ChatAssistant | None = None, turn: Turn | None = None) -> str:
        """The text of the answer to one turn, or "" for none."""
        turn = turn or self.turn()
        answer = (assistant or self.assistant()).answer(self.request(text, turn=turn), turn)
        assert answer.session_id is None
        assert set(answer.response) == {"output"}
        self.answered += 1
        generic = answer.response["output"]["generic"]
        assert [element["response_type"] for element in generic] == ["text"][: len(generic)]
        return generic[0]["text"] if generic else ""

    @staticmethod
    def request(text: Any = "hello", documents: Any = None, turn: Turn | None = None) -> dict[str, Any]:
        variables = {} if documents is None else {"attachments": documents}
        context = {"skills": {"main skill": {"user_defined": variables}}}
        given: dict[str, Any] = {"message_type": "text", "text": text}
        if turn is not None and len(turn.attachments):
            given["attachments"] = [{"url": file.url, "media_type": file.media_type} for file in turn.attachments]
        return {"input": given, "context": context, "user_id": "u"}

    @property
    def last(self) -> Call:
        return self.double.calls[-1]


class running:  # noqa: N801 - read as a verb
    """A stand-in that runs until the block ends."""

    def __enter__(self) -> Double:
        self.double = Double()
        self.thread = threading.Thread(target=self.double.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self.double

    def __exit__(self, *_: Any) -> None:
        self.double.shutdown()
        self.double.server_close()
        self.thread.join()
