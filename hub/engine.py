"""The in-process engine: threads that drain lanes, and one that finds lanes with work nobody woke.

Everything else talks to it through three calls: ``start``, ``wake``, ``stop``. Losing a wake-up loses no message.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from datetime import datetime
from queue import SimpleQueue
from uuid import UUID

from hub import clock
from hub.directory import Directory
from hub.drain import Drain
from hub.lane import RENEWALS_PER_LEASE, Leases, due
from hub.log import get_logger
from hub.store import Store

SWEEP_LANES = 1000
STOP_SECONDS = 20.0
"""How long a stop waits for turns in progress: gunicorn kills a worker 30 s after it asked it to stop."""
MOST_TIMERS = 100_000


class Engine:
    """Threads of this process that work lanes off.

    :param threads: turns in progress at most (``HUB_TURN_THREADS``); 0 only accepts and leaves turns to others.
    :param sweep_seconds: how often due work is looked for (``HUB_SWEEP_SECONDS``).
    """

    def __init__(
        self, store: Store, directory: Directory, leases: Leases, drain: Drain, *, threads: int, sweep_seconds: float
    ) -> None:
        self._store = store
        self._directory = directory
        self._leases = leases
        self._drain = drain
        self._threads = threads
        self._sweep_seconds = sweep_seconds
        self._lock = threading.Lock()
        self._ready: SimpleQueue[UUID | None] = SimpleQueue()
        self._known: dict[UUID, bool] = {}  # lanes queued or in progress; True: look again afterwards
        self._running: set[UUID] = set()
        self._idle = 0
        self._started = 0
        self._stopping = False
        self._finished = threading.Condition(self._lock)
        self._timers: list[tuple[float, int, UUID]] = []
        self._order = itertools.count()
        self._clock_changed = threading.Condition()
        self._pid: int | None = None

    def start(self) -> None:
        """Begin to sweep and to renew leases; calling it again does nothing."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        threading.Thread(target=self._sweep_loop, name="engine-sweep", daemon=True).start()
        threading.Thread(target=self._renew_loop, name="engine-renew", daemon=True).start()

    def wake(self, lane: UUID) -> None:
        """`lane` has work; returns at once."""
        with self._lock:
            if self._stopping or not self._threads:
                return
            if lane in self._known:
                if lane in self._running:
                    self._known[lane] = True
                return
            self._known[lane] = False
            starts = self._idle <= 0 and self._started < self._threads
            if starts:
                self._started += 1
            else:
                self._idle -= 1
        self._ready.put(lane)
        if starts:
            threading.Thread(target=self._work, name="engine-turn", daemon=True).start()

    def wake_at(self, lane: UUID, moment: datetime) -> None:
        """Wake `lane` at `moment`, if this process still lives; the sweep finds it otherwise."""
        wait = (moment - clock.now()).total_seconds()
        if wait > self._sweep_seconds * 60:
            return
        with self._clock_changed:
            if len(self._timers) < MOST_TIMERS:
                heapq.heappush(self._timers, (time.monotonic() + wait, next(self._order), lane))
                self._clock_changed.notify()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Begin nothing new, wait for what is in progress, and give the rest back to other workers."""
        self._drain.stopping.set()
        deadline = time.monotonic() + seconds
        with self._lock:
            self._stopping = True
            while self._running and (left_seconds := deadline - time.monotonic()) > 0:
                self._finished.wait(left_seconds)
            left = len(self._running)
        for _ in range(self._started):
            self._ready.put(None)
        with self._clock_changed:
            self._clock_changed.notify_all()
        given_back = self._leases.give_back()
        if left or given_back:
            get_logger().warning("stopped_with_turns_in_progress", turns=left, given_back=given_back)

    @property
    def running(self) -> bool:
        """Whether the engine of this very process has been started and not stopped."""
        return self._pid == os.getpid() and not self._stopping

    @property
    def in_progress(self) -> int:
        """Lanes being worked on in this process right now."""
        return len(self._running)

    def _work(self) -> None:
        while True:
            lane = self._ready.get()
            with self._lock:
                if lane is None or self._stopping:
                    return
                self._running.add(lane)
            try:
                self._drain.drain(lane)
            except BaseException:
                # Even a plugin that tries to end the process must not cost the hub a thread and the person the lane.
                get_logger().error("lane_failed", lane=str(lane), exc_info=True)
            with self._lock:
                self._running.discard(lane)
                again = self._known.pop(lane)
                if self._stopping:
                    self._finished.notify_all()
                    return
                if again:
                    self._known[lane] = False
                else:
                    self._idle += 1
            if again:
                self._ready.put(lane)

    def _sweep_loop(self) -> None:
        """Wake lanes whose time has come, and every few seconds those the store says are due."""
        next_sweep = 0.0
        while not self._stopping:
            if time.monotonic() >= next_sweep:
                self._sweep()
                next_sweep = time.monotonic() + self._sweep_seconds
            woken = []
            with self._clock_changed:
                now = time.monotonic()
                while self._timers and self._timers[0][0] <= now:
                    woken.append(heapq.heappop(self._timers)[2])
                if not woken:
                    until = min(next_sweep, self._timers[0][0]) if self._timers else next_sweep
                    if until > now and not self._stopping:
                        self._clock_changed.wait(until - now)
            for lane in woken:
                self.wake(lane)

    def _sweep(self) -> None:
        try:
            self._directory.refresh()
            if self._threads:
                with self._store.read() as connection:
                    lanes = due(connection, SWEEP_LANES)
                for lane in lanes:
                    self.wake(lane)
        except Exception:
            get_logger().error("sweep_failed", exc_info=True)

    def _renew_loop(self) -> None:
        pause = self._leases.seconds / RENEWALS_PER_LEASE
        while not self._drain.stopping.wait(pause):
            self._renew()
        while self._running:
            time.sleep(min(pause, 1.0))
            self._renew()

    def _renew(self) -> None:
        try:
            self._leases.renew()
        except Exception:
            get_logger().error("leases_not_renewed", exc_info=True)
