"""``python -m bench``: see README.md in this folder."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bench import double, machine, servers
from bench.latency import latency
from bench.memory import memory
from bench.profile import profile
from bench.report import Report, save
from bench.rounds import Bench
from bench.sms import check_signature
from bench.stages import stages
from bench.throughput import slow, webhook, whole_turns

PARTS: Mapping[str, Callable[[Bench], Awaitable[Report]]] = {
    "webhook": webhook,
    "turns": whole_turns,
    "slow": slow,
    "latency": latency,
    "stages": stages,
    "memory": memory,
}
RESULTS = Path(__file__).resolve().parent / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks of the hub, side by side.")
    parser.add_argument("part", nargs="?", default="all", choices=["all", *PARTS, "profile"])
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the medians are told (default 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured seconds of each round (default 4)")
    parser.add_argument("--turn-threads", type=int, default=32, help="HUB_TURN_THREADS of turns, latency, profile")
    parser.add_argument("--json", type=Path, default=RESULTS / "latest.json", help="where all raw figures are written")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


async def run(options: argparse.Namespace) -> None:
    """Measure what was asked for, print it and save it."""
    cores = machine.choose_cores()
    described = machine.describe(cores, Path(tempfile.gettempdir()))
    for line in described.values():
        print(line)
    servers.require_hub()
    with machine.pinned(cores.load):
        arrived = double.Double()
        listener = await double.listen(arrived)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        bench = Bench(options.rounds, options.seconds, options.turn_threads, cores, arrived, url)
        if options.part == "profile":
            print(await profile(bench, RESULTS))
            return
        reports: dict[str, Report] = {}
        for name in PARTS if options.part == "all" else [options.part]:
            reports[name] = await PARTS[name](bench)
            save(options.json, described, reports)
    print(*reports.values(), sep="\n")
    print(f"\nall raw figures: {options.json}")


def main() -> int:
    """0: measured; 1: a measurement could not be made."""
    options = arguments()
    gc.disable()  # a collection in the load generator would be measured as a latency of the server
    machine.allow_open_files()
    check_signature()
    try:
        asyncio.run(run(options))
    except servers.BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        servers.remove_plugin()
    return 0


if __name__ == "__main__":
    sys.exit(main())
