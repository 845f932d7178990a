"""How soon: the time of one turn when nothing else goes on."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
import urllib.request
from functools import partial

from bench.client import OK, Client
from bench.report import Report, milliseconds, percentile
from bench.rounds import Bench, alternate
from bench.servers import BenchError, Server
from bench.sms import Webhooks

_STAGE = re.compile(r'^hub_turn_stage_seconds_(sum|count)\{[^}]*stage="([^"]+)"[^}]*\} (\S+)', re.MULTILINE)


def _arrived(arrival: asyncio.Future[float], now: float, _recipient: str) -> None:
    arrival.set_result(now)


def _answered(answer: asyncio.Future[int], _now: float, status: int) -> None:
    answer.set_result(status)


async def one_at_a_time(bench: Bench, server: Server, requests: Webhooks) -> list[float]:
    """Seconds from each webhook to its send, five a second, one at a time; the first three are not counted."""
    loop = asyncio.get_running_loop()
    client = await Client.connect(server.port, 1)
    stream, taken = iter(requests), []
    try:
        for _ in range(3 + max(5, int(bench.seconds * 5))):
            arrival: asyncio.Future[float] = loop.create_future()
            answer: asyncio.Future[int] = loop.create_future()
            bench.double.on_send = partial(_arrived, arrival)
            started = time.monotonic()
            client.send(next(stream), partial(_answered, answer))
            if (status := await asyncio.wait_for(answer, 10)) != OK:
                raise BenchError(f"the webhook was answered with status {status}")
            taken.append(await asyncio.wait_for(arrival, 10) - started)
            await asyncio.sleep(max(0.0, started + 0.2 - time.monotonic()))
    except TimeoutError:
        raise BenchError("a turn did not send its answer within 10 seconds") from None
    finally:
        bench.double.on_send = None
        client.close()
    return taken[3:]


def stages_of(port: int) -> dict[str, float]:
    """Mean seconds of each stage of a turn, as the hub's own histograms tell it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = {(kind, stage): float(value) for kind, stage, value in _STAGE.findall(text)}
    return {
        stage: total / count
        for (kind, stage), total in found.items()
        if kind == "sum" and (count := found.get(("count", stage)))
    }


async def latency(bench: Bench) -> Report:
    """Time of one turn at low load, and the hub's stages."""
    requests = Webhooks()
    requests.prepare(int(bench.seconds * 5) + 10)
    stages: list[dict[str, float]] = []

    async def hub(server: Server) -> list[float]:
        taken = await one_at_a_time(bench, server, requests)
        stages.append(await asyncio.to_thread(stages_of, server.port))
        return taken

    async def tutorial(server: Server) -> list[float]:
        return await one_at_a_time(bench, server, requests)

    def tell(taken: list[float]) -> str:
        return f"p50 {milliseconds(percentile(taken, 50))} ms, p90 {milliseconds(percentile(taken, 90))} ms"

    sides = {"hub": (bench.hub(), hub, tell), "tutorial": (bench.tutorial(), tutorial, tell)}
    found = await alternate(bench, "latency", sides)
    middle = {
        name: [statistics.median(percentile(taken, percent) for taken in rounds) for percent in (50, 90)]
        for name, rounds in found.items()
    }
    report = Report("One turn at low load, webhook to send", ("", "p50 ms", "p90 ms", "ratio of p50"))
    for name, (half, most) in middle.items():
        ratio = f"{half / middle['tutorial'][0]:.2f}"
        report.rows.append([name, milliseconds(half), milliseconds(most), ratio])
    mean = {stage: statistics.median(one[stage] for one in stages if stage in one) for stage in stages[0]}
    told = ", ".join(f"{stage} {milliseconds(seconds)}" for stage, seconds in mean.items())
    report.notes = [f"hub by stage, mean ms: {told or 'no hub_turn_stage_seconds in /metrics'}"]
    in_us = {name: [[round(one * 1e6) for one in taken] for taken in rounds] for name, rounds in found.items()}
    report.raw = {"turns_us": in_us, "stages_seconds": stages}
    return report
