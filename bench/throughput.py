"""How much: webhooks and turns per second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bench import machine, servers
from bench.load import Sample, Window, closed_loop, open_loop
from bench.report import Report, load_share, median_cpu, median_percentile, median_rate, milliseconds, percentile, raw
from bench.rounds import CONCURRENCY, IN_FLIGHT, Bench, alternate
from bench.servers import THREADS, Server
from bench.sms import Webhooks
from bench.turns import Turns, turns

DISTURBED = 0.15
"""A round is marked when more than this share of the server's core went to something else."""


def _told(sample: Sample) -> str:
    text = f"{sample.rate:,.0f}/s, CPU {sample.cpu_microseconds:,.0f} µs each"
    if sample.latencies:
        text += f", p50 {milliseconds(percentile(sample.latencies, 50))} ms"
        text += f", p99 {milliseconds(percentile(sample.latencies, 99))} ms"
    if sample.disturbed > DISTURBED:
        text += f" (disturbed: {sample.disturbed:.0%} of the core went elsewhere)"
    return text


def _row(name: str, samples: list[Sample], base: list[Sample] | None = None) -> list[str]:
    ratio = f"{median_rate(samples) / median_rate(base):.2f}" if base else ""
    latencies = [milliseconds(median_percentile(samples, percent)) for percent in (50, 99)]
    return [name, f"{median_rate(samples):,.0f}", ratio, *latencies, f"{median_cpu(samples):,.0f}"]


async def webhook(bench: Bench) -> Report:
    """Webhooks answered per second, and latency at a fixed rate."""
    requests = Webhooks()
    requests.prepare(int((bench.seconds + 1) * 3000))
    window = Window(bench.seconds)

    async def closed(server: Server) -> Sample:
        return await closed_loop(server, requests, CONCURRENCY, window)

    accepting, running, reference = "hub, storing only", "hub, turns running", "reference"
    tuned = "reference, one connection"
    hub, other = bench.hub(turn_threads=0), servers.reference()
    sides = {
        accepting: (hub, closed, _told),
        reference: (other, closed, _told),
        tuned: (servers.reference(one_connection=True), closed, _told),
        running: (bench.hub(), closed, _told),
    }
    most = await alternate(bench, "webhook closed", sides)
    rate = 0.8 * median_rate(most[reference])

    async def opened(server: Server) -> Sample:
        return await open_loop(server, requests, rate, window)

    steady = await alternate(
        bench, "webhook open", {accepting: (hub, opened, _told), reference: (other, opened, _told)}
    )
    report = Report("Webhooks answered", ("", "per second", "ratio", "p50 ms", "p99 ms", "CPU µs"))
    base = most[reference]
    report.rows = [_row(f"{name} (closed loop)", most[name], base) for name in sides]
    report.rows += [_row(f"{name} (at {rate:,.0f}/s)", samples) for name, samples in steady.items()]
    late = max(percentile(sample.late, 99) for samples in steady.values() for sample in samples)
    report.notes = [
        f"closed loop: {CONCURRENCY} connections; ratio to the reference; {load_share(most)}",
        f"fixed rate: 0.8 of the reference's most; latency from the intended time, kept to {late * 1e6:.0f} µs (p99)",
        "one connection: the reference with a pool of one, which serves SQLite best (informative)",
        "turns running: the same process also runs the turns of what it takes in (informative)",
    ]
    report.raw = {
        "closed": {name: raw(samples) for name, samples in most.items()},
        "open": {name: raw(samples) for name, samples in steady.items()},
        "open_rate": rate,
    }
    return report


async def whole_turns(bench: Bench) -> Report:
    """Turns per second with an assistant that answers at once."""
    requests = Webhooks()
    requests.prepare(int((bench.seconds + 1) * 1500))
    window = Window(bench.seconds)

    def measure(shape: Turns) -> Callable[[Server], Awaitable[Sample]]:
        return lambda server: turns(server, bench.double, requests, shape, window)

    queued = Turns(IN_FLIGHT, CONCURRENCY, over_when_sent=True)
    synchronous = Turns(THREADS, THREADS, over_when_sent=False)  # more only wait in its backlog, and cost it 3 %
    sides = {
        "hub": (bench.hub(), measure(queued), _told),
        "tutorial": (bench.tutorial(), measure(synchronous), _told),
    }
    found = await alternate(bench, "turns", sides)
    report = Report("Whole turns, assistant answers at once", ("", "turns/s", "ratio", "CPU µs"))
    base = found["tutorial"]
    for name, samples in found.items():
        ratio = f"{median_rate(samples) / median_rate(base):.2f}"
        report.rows.append([name, f"{median_rate(samples):,.0f}", ratio, f"{median_cpu(samples):,.0f}"])
    report.notes = [
        f"{requests.persons} persons; hub: {IN_FLIGHT} turns in flight, HUB_TURN_THREADS={bench.turn_threads}",
        f"tutorial: {THREADS} turns in flight, as many as gunicorn has threads",
        load_share(found),
    ]
    report.raw = {name: raw(samples) for name, samples in found.items()}
    return report


async def slow(bench: Bench) -> Report:
    """Turns per second with a slow assistant, many turns in flight, and the memory that takes."""
    in_flight, delay_ms = 256, 500
    ideal = in_flight * 1000 / delay_ms
    requests = Webhooks()
    shape = Turns(in_flight, CONCURRENCY, over_when_sent=True)
    window = Window(max(1.0, round(bench.seconds * 2) / 2), warm=2.0)

    async def measure(server: Server) -> tuple[Sample, machine.Memory]:
        sample = await turns(server, bench.double, requests, shape, window)
        return sample, machine.memory(server.worker)

    def tell(measured: tuple[Sample, machine.Memory]) -> str:
        return f"{_told(measured[0])}, {measured[1]}"

    found = (await alternate(bench, "slow", {"hub": (bench.hub(in_flight, delay_ms), measure, tell)}))["hub"]
    samples = [sample for sample, _ in found]
    title = f"Slow assistant: {delay_ms} ms, {in_flight} turns in flight"
    report = Report(title, ("", "turns/s", "of ideal", "CPU µs"))
    rate = median_rate(samples)
    report.rows = [["hub", f"{rate:,.0f}", f"{rate / ideal:.0%}", f"{median_cpu(samples):,.0f}"]]
    report.notes = [f"ideal {ideal:.0f}/s", f"worker afterwards: {max((m for _, m in found), key=lambda m: m.rss)}"]
    report.raw = {"hub": raw(samples), "memory": [vars(memory) for _, memory in found]}
    return report
