"""The load generator: closed and open loops of webhooks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from bench import machine
from bench.client import OK, Client
from bench.servers import BenchError, Server

SPIN = 0.0015
"""Seconds before an intended time from which the open loop polls: the event loop's timers are a millisecond coarse."""


@dataclass(frozen=True)
class Window:
    """What is measured: `seconds`, after `warm` seconds of the same load."""

    seconds: float
    warm: float = 1.0


@dataclass
class Sample:
    """One measurement.

    :ivar count: what was finished inside the window: answers, or turns.
    :ivar latencies: seconds, of the answers inside the window.
    :ivar statuses: how many answers had which status, over the whole run.
    :ivar server_cpu: CPU seconds of the worker inside the window; load_cpu: those of this process;
        core_cpu: those of everything on the server's core.
    :ivar late: seconds each request of an open loop left later than intended.
    """

    seconds: float
    count: int = 0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    server_cpu: float = 0.0
    load_cpu: float = 0.0
    core_cpu: float = 0.0
    late: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Per second."""
        return self.count / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        """The worker's CPU time for each one."""
        return self.server_cpu / self.count * 1e6 if self.count else 0.0

    @property
    def disturbed(self) -> float:
        """Share of the server's core that went to something else: other processes, the kernel, the hypervisor."""
        return max(0.0, self.core_cpu - self.server_cpu) / self.seconds

    def check(self) -> None:
        """Make sure that every answer was 200.

        :raises BenchError: one was not.
        """
        wrong = {status: count for status, count in self.statuses.items() if status != OK}
        if wrong:
            raise BenchError(f"answers other than 200 (0 = connection broke): {wrong}")
        if not self.count:
            raise BenchError("nothing was finished inside the measured time")


def meter(sample: Sample, server: Server, begin: float, end: float) -> asyncio.Future[None]:
    """Read the CPU times when the window begins and when it ends (monotonic times, which are the event loop's).

    :returns: done when the window is over.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def read(sign: int) -> None:
        sample.server_cpu += sign * machine.cpu_seconds(server.worker)
        sample.load_cpu += sign * time.process_time()
        sample.core_cpu += sign * machine.core_seconds(server.core)
        if sign > 0 and not over.done():
            over.set_result(None)

    loop.call_at(begin, read, -1)
    loop.call_at(end, read, 1)
    return over


async def _finished(future: asyncio.Future[None], seconds: float, what: str) -> None:
    try:
        await asyncio.wait_for(future, seconds)
    except TimeoutError:
        raise BenchError(f"{what} did not come to an end within {seconds:.0f} seconds") from None


async def closed_loop(server: Server, webhooks: Iterable[bytes], concurrency: int, window: Window) -> Sample:
    """Webhooks answered when `concurrency` connections each send the next as soon as the last is answered."""
    client = await Client.connect(server.port, concurrency)
    requests = iter(webhooks)
    begin = time.monotonic() + window.warm
    end = begin + window.seconds
    sample = Sample(window.seconds)
    metered = meter(sample, server, begin, end)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    running = concurrency

    def fire() -> None:
        started = time.monotonic()
        client.send(next(requests), partial(answered, started))

    def answered(started: float, now: float, status: int) -> None:
        nonlocal running
        sample.statuses[status] += 1
        if begin <= now < end:
            sample.latencies.append(now - started)
        if now < end and status == OK:
            fire()
            return
        running -= 1
        if not running:
            over.set_result(None)

    for _ in range(concurrency):
        fire()
    await _finished(over, window.warm + window.seconds + 30, "the closed loop")
    await metered
    client.close()
    sample.count = len(sample.latencies)
    sample.check()
    return sample


async def open_loop(server: Server, webhooks: Iterable[bytes], rate: float, window: Window) -> Sample:
    """Latencies at a fixed rate, measured from the time each request was meant to leave."""
    client = await Client.connect(server.port, 64)
    requests = iter(webhooks)
    loop = asyncio.get_running_loop()
    begin = time.monotonic() + 0.05
    total = int(rate * (window.warm + window.seconds))
    sample = Sample(window.seconds)
    metered = meter(sample, server, begin + window.warm, begin + total / rate)
    over: asyncio.Future[None] = loop.create_future()
    sent = answers = 0

    def answered(intended: float, now: float, status: int) -> None:
        nonlocal answers
        answers += 1
        sample.statuses[status] += 1
        if intended >= begin + window.warm:
            sample.latencies.append(now - intended)
        if answers == total:
            over.set_result(None)

    def fire_due() -> None:
        nonlocal sent
        now = time.monotonic()
        while sent < total and (intended := begin + sent / rate) <= now:
            client.send(next(requests), partial(answered, intended))
            sample.late.append(now - intended)
            sent += 1
        if sent < total:
            wait = begin + sent / rate - time.monotonic()
            if wait > SPIN:
                loop.call_later(wait - SPIN, fire_due)
            else:
                loop.call_soon(fire_due)

    fire_due()
    await _finished(over, window.warm + window.seconds + 30, "the open loop")
    await metered
    client.close()
    sample.count = len(sample.latencies)
    sample.check()
    return sample
