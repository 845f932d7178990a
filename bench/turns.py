"""Keeps a number of turns in flight, and counts those whose answer reached the double."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.client import OK, Client
from bench.double import Double
from bench.load import Sample, Window, meter
from bench.servers import BenchError, Server


@dataclass(frozen=True)
class Turns:
    """How turns are kept going.

    :param in_flight: turns outstanding; the next begins when one is over.
    :param connections: connections that webhooks are sent over.
    :param over_when_sent: a turn is over when its send reached the double (a server that answers the webhook first);
        otherwise when the webhook is answered (a server that does all inside the webhook).
    """

    in_flight: int
    connections: int
    over_when_sent: bool


async def turns(server: Server, double: Double, webhooks: Iterable[bytes], shape: Turns, window: Window) -> Sample:
    """Whole turns, counted when their send reaches the double."""
    client = await Client.connect(server.port, shape.connections)
    run = _TurnRun(client, iter(webhooks), shape, window)
    metered = meter(run.sample, server, run.begin, run.end)
    double.reset()
    double.on_send = run.sent
    try:
        for _ in range(shape.in_flight):
            run.fire()
        await metered
        await run.drained(double)
    finally:
        double.on_send = None
        client.close()
    run.sample.check()
    if double.unexpected:
        raise BenchError(f"{double.unexpected} of {double.sends} sends were not the assistant's answer")
    return run.sample


class _TurnRun:
    def __init__(self, client: Client, requests: Iterator[bytes], shape: Turns, window: Window) -> None:
        self._client = client
        self._requests = requests
        self._shape = shape
        self.sample = Sample(window.seconds)
        self.begin = time.monotonic() + window.warm
        self.end = self.begin + window.seconds
        self._fired = 0

    def fire(self) -> None:
        self._fired += 1
        self._client.send(next(self._requests), self.answered)

    def answered(self, now: float, status: int) -> None:
        self.sample.statuses[status] += 1
        if status == OK and not self._shape.over_when_sent and now < self.end:
            self.fire()

    def sent(self, now: float, _recipient: str) -> None:
        if self.begin <= now < self.end:
            self.sample.count += 1
        if self._shape.over_when_sent and now < self.end:
            self.fire()

    async def drained(self, double: Double) -> None:
        """Wait until every turn begun has sent its answer."""
        deadline = time.monotonic() + 30
        while double.sends < self._fired or sum(self.sample.statuses.values()) < self._fired:
            self.sample.check()
            if time.monotonic() > deadline:
                raise BenchError(f"{self._fired - double.sends} of {self._fired} turns never sent their answer")
            await asyncio.sleep(0.01)
