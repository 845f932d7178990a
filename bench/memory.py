"""How little: what one process holds while many turns wait for their assistant."""

from __future__ import annotations

import asyncio
import statistics
import time
from itertools import islice

from bench import machine
from bench.client import OK, Client
from bench.report import Report
from bench.rounds import CONCURRENCY, Bench, alternate
from bench.servers import BenchError, Server
from bench.sms import Webhooks

TARGET_MB = 160
HANGING_MS = 50_000
"""Longer than a round takes, shorter than the bench plugin waits for its assistant."""


async def memory(bench: Bench) -> Report:
    """Memory of one process that has 1,000 turns in progress."""
    count = 1000
    requests = Webhooks(persons=count)
    requests.prepare(count)

    async def measure(server: Server) -> tuple[machine.Memory, machine.Memory]:
        before = machine.memory(server.worker)
        client = await Client.connect(server.port, CONCURRENCY)
        statuses: list[int] = []
        for request in islice(requests, count):
            client.send(request, lambda _, status: statuses.append(status))
        deadline = time.monotonic() + 60
        while bench.double.in_progress < count or len(statuses) < count:
            if time.monotonic() > deadline or any(status != OK for status in statuses):
                reached = f"{bench.double.in_progress} of {count} turns in progress"
                raise BenchError(f"{reached}; webhooks answered: {sorted(set(statuses))}")
            await asyncio.sleep(0.02)
        during = machine.memory(server.worker)
        client.close()
        return before, during

    def tell(measured: tuple[machine.Memory, machine.Memory]) -> str:
        return f"idle {measured[0]}; {count} turns in flight {measured[1]}"

    found = (await alternate(bench, "memory", {"hub": (bench.hub(count, HANGING_MS), measure, tell)}))["hub"]
    title = f"Memory of one process, {count} turns in flight"
    report = Report(title, ("", "RSS MB", "PSS MB", f"under {TARGET_MB}"))
    for name, sizes in zip(("hub, idle", "hub, turns in flight"), zip(*found, strict=True), strict=True):
        rss = statistics.median(size.rss for size in sizes) / 1e6
        pss = statistics.median(size.pss for size in sizes) / 1e6
        reached = "" if "idle" in name else "yes" if rss < TARGET_MB else "no"
        report.rows.append([name, f"{rss:.1f}", f"{pss:.1f}", reached])
    report.raw = {"idle": [vars(idle) for idle, _ in found], "in_flight": [vars(during) for _, during in found]}
    return report
