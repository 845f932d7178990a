"""A small web server for tests, in the place of a hub: records what it is sent and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from werkzeug.wrappers import Request, Response

from hub_simulator.httpd import Httpd

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Answerer = Callable[[Request], Response]


@dataclass(frozen=True)
class Received:
    """A request as it came; the target is not decoded."""

    method: str
    target: str
    form: dict[str, str]
    headers: dict[str, str]


class Receiver:
    """Answers an empty TwiML document unless told otherwise."""

    def __init__(self) -> None:
        self._httpd = Httpd()
        self._httpd.app = self._serve
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._answers: dict[str, Answerer] = {}
        self._changed = threading.Condition()  # on a re-entrant lock: `at` is used while waiting
        self.url = self._httpd.url
        self.requests: list[Received] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def answer(self, path: str, *answers: Response | Answerer) -> str:
        """Answer requests for a path with these in turn, the last one for ever. Gives the URL of the path."""
        left = list(answers)

        def take(request: Request) -> Response:
            chosen = left.pop(0) if len(left) > 1 else left[0]
            return chosen if isinstance(chosen, Response) else chosen(request)

        self._answers[path] = take
        return self.url + path

    def twiml(self, path: str, verbs: str) -> str:
        """Answer requests for a path with these verbs."""
        return self.answer(path, Response(f"<Response>{verbs}</Response>", mimetype="text/xml"))

    def at(self, path: str) -> list[Received]:
        """The requests there were for a path."""
        with self._changed:
            return [request for request in self.requests if request.target.partition("?")[0] == path]

    def wait(self, path: str, count: int = 1, timeout: float = 5) -> list[Received]:
        """The requests for a path, as soon as there are `count` of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.at(path)) >= count, timeout):
                raise TimeoutError(f"{len(self.at(path))} of {count} requests for {path} within {timeout} s")
            return self.at(path)

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        seen = Received(request.method, environ["RAW_URI"], request.form.to_dict(), dict(request.headers))
        with self._changed:
            self.requests.append(seen)
            self._changed.notify_all()
        return self._answers.get(request.path, _nothing)(request)(environ, start_response)


def _nothing(_: Request) -> Response:
    return Response("<Response/>", mimetype="text/xml")
