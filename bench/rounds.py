"""Runs the sides of a comparison in turn, round after round."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from bench import machine, servers
from bench.double import Double
from bench.servers import App, Server

Measured = TypeVar("Measured")

CONCURRENCY = 32
"""Connections webhooks are sent over."""
IN_FLIGHT = 64
"""Turns outstanding where both sides run at their most."""


@dataclass
class Bench:
    """What every part needs.

    :param turn_threads: HUB_TURN_THREADS where a part does not say it itself.
    """

    rounds: int
    seconds: float
    turn_threads: int
    cores: machine.Cores
    double: Double
    double_url: str

    def serving(self, app: App) -> AbstractAsyncContextManager[Server]:
        """Run `app` on the core of the servers."""
        return servers.serving(app, self.cores.server)

    def hub(self, turn_threads: int | None = None, delay_ms: int = 0, hooks: int = 0) -> App:
        """The hub over this bench's double, with so many plugins that have a premessage hook."""
        threads = self.turn_threads if turn_threads is None else turn_threads
        return servers.hub(self.double_url, turn_threads=threads, delay_ms=delay_ms, hooks=hooks)

    def tutorial(self) -> App:
        """The tutorial application over this bench's double."""
        return servers.tutorial(self.double_url)


Side = tuple[App, Callable[[Server], Awaitable[Measured]], Callable[[Measured], str]]
"""An application, how to measure it while it runs, and one line about the outcome."""


async def alternate(bench: Bench, part: str, sides: Mapping[str, Side[Measured]]) -> dict[str, list[Measured]]:
    """Measure the sides one after the other, A B A B, each time as a new process with a new database."""
    found: dict[str, list[Measured]] = {name: [] for name in sides}
    for number in range(1, bench.rounds + 1):
        for name, (app, measure, tell) in sides.items():
            async with bench.serving(app) as server:
                measured = await measure(server)
            found[name].append(measured)
            print(f"{part} {number}/{bench.rounds} {name}: {tell(measured)}", flush=True)
    return found
