"""Calls of other people's code that may take only so long.

A thread cannot be stopped from outside, so a call that takes too long is left behind in its thread, which takes no
further calls; the caller goes on. Threads are used again, so a call in time costs two hand-overs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

MOST_LEFT_BEHIND = 8
"""Calls of one owner that may hang at the same time; until one of them ends, its further calls are refused."""


class Overtime(Exception):
    """A call took too long, or its owner has too many calls that hang."""


class _Worker:
    """A thread that runs one call after another."""

    def __init__(self) -> None:
        self._begin = threading.Lock()
        self._begin.acquire()
        self._call: Callable[[], None] | None = None
        threading.Thread(target=self._loop, name="hook", daemon=True).start()

    def run(self, call: Callable[[], None]) -> None:
        self._call = call
        self._begin.release()

    def _loop(self) -> None:
        while True:
            self._begin.acquire()
            call, self._call = self._call, None
            if call is None:
                return
            call()
            del call  # what it worked on is not kept until the next one


class Watched:
    """Runs calls in threads of its own.

    :param seconds: how long one call may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._idle: list[_Worker] = []
        self._behind: Counter[str] = Counter()
        self._lock = threading.Lock()

    def call(self, owner: str, function: Callable[[], Any]) -> Any:
        """What `function` returns, or what it raises.

        :param owner: whose code it is.
        :raises Overtime: it takes longer than it may; it goes on unobserved, and what it returns is lost.
        """
        if self._behind[owner] >= MOST_LEFT_BEHIND:
            raise Overtime(f"{MOST_LEFT_BEHIND} earlier calls have not come back yet")
        outcome: list[tuple[Any, BaseException | None]] = []
        done = threading.Lock()
        done.acquire()
        left = False

        def run() -> None:
            try:
                outcome.append((function(), None))
            except (Exception, SystemExit) as error:
                outcome.append((None, error))
            except BaseException as error:
                # asyncio.CancelledError and the like: whoever called would not expect them.
                outcome.append((None, RuntimeError(f"it raised {type(error).__name__}")))
            with self._lock:
                if left:
                    self._behind[owner] -= 1
                    self._idle.append(worker)
            done.release()

        worker = self._take()
        worker.run(run)
        if not done.acquire(timeout=self.seconds):
            with self._lock:
                if not outcome:
                    left = True
                    self._behind[owner] += 1
                    raise Overtime(f"it took longer than {self.seconds:g} s")
            done.acquire()
        with self._lock:
            self._idle.append(worker)
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    def _take(self) -> _Worker:
        with self._lock:
            return self._idle.pop() if self._idle else _Worker()
