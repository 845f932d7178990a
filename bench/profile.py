"""Where the worker's time goes while it runs turns: py-spy, when it is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

from bench.load import Window
from bench.rounds import CONCURRENCY, IN_FLIGHT, Bench
from bench.servers import BenchError
from bench.sms import Webhooks
from bench.turns import Turns, turns

SHOWN = 30


def _py_spy() -> str:
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("py-spy", path=places)
    if found is None:
        raise BenchError("py-spy is not installed; `pip install py-spy` and try again")
    return found


async def profile(bench: Bench, results: Path) -> str:
    """Run turns while py-spy samples the threads of the worker that hold the interpreter lock; tell the costliest."""
    command = _py_spy()
    results.mkdir(parents=True, exist_ok=True)
    stacks = results / "profile.txt"
    shape = Turns(IN_FLIGHT, CONCURRENCY, over_when_sent=True)
    window = Window(bench.seconds, warm=2.0)
    async with bench.serving(bench.hub()) as server:
        spy = await asyncio.create_subprocess_exec(
            *(command, "record", "--pid", str(server.worker), "--duration", str(max(1, int(window.seconds)))),
            *("--rate", "200", "--gil", "--function", "--format", "raw", "--output", str(stacks)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        sample = await turns(server, bench.double, Webhooks(), shape, window)
        _, said = await spy.communicate()
    if spy.returncode or not stacks.exists():
        raise BenchError(f"py-spy failed: {said.decode(errors='replace').strip()[-500:]}")
    return f"{sample.rate:,.0f} turns/s while profiled; all stacks: {stacks}\n" + _costliest(stacks.read_text())


def _costliest(stacks: str) -> str:
    """The functions most often on top of a stack, and the hub's own most often anywhere in one."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, times = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(times)
        for frame in {frame for frame in frames if "(hub" in frame or "/hub_" in frame}:
            total[frame] += int(times)
    samples = max(1, own.total())
    lines = []
    for title, counter in (
        ("in the function itself", own),
        ("in it and what it calls, functions of the hub and its plugins only", total),
    ):
        lines.append(f"\n{title}:")
        lines += [f"{count / samples:6.1%}  {frame}" for frame, count in counter.most_common(SHOWN)]
    return "\n".join(lines)
