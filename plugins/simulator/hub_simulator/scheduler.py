"""Things that happen later: one thread keeps the time, a small pool does the work."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

log = logging.getLogger(__name__)


class Scheduler:
    """Run functions at a time. Nothing is kept past `close`."""

    def __init__(self, workers: int = 16) -> None:
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._ties = itertools.count()
        self._condition = threading.Condition()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="simulator")
        self._thread: threading.Thread | None = None
        self.closing = threading.Event()

    def after(self, seconds: float, job: Callable[[], object]) -> None:
        """Run the job in the pool, `seconds` from now."""
        if seconds <= 0:
            self.soon(job)
            return
        with self._condition:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_time, name="simulator-clock", daemon=True)
                self._thread.start()
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._ties), job))
            self._condition.notify()

    def soon(self, job: Callable[[], object]) -> None:
        """Run the job in the pool now."""
        if not self.closing.is_set():
            try:
                self._pool.submit(job).add_done_callback(_report)
            except RuntimeError:  # closed in between
                return

    def close(self) -> None:
        """Drop what is waiting and let running jobs end by themselves."""
        self.closing.set()
        with self._condition:
            self._heap.clear()
            self._condition.notify()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _keep_time(self) -> None:
        while not self.closing.is_set():
            with self._condition:
                if not self._heap:
                    self._condition.wait()
                    continue
                wait = self._heap[0][0] - time.monotonic()
                if wait > 0:
                    self._condition.wait(wait)
                    continue
                job = heapq.heappop(self._heap)[2]
            self.soon(job)


def _report(future: Future[object]) -> None:
    if not future.cancelled() and future.exception() is not None:
        log.error("a job of the simulator failed", exc_info=future.exception())
