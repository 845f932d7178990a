"""What each stage of a turn costs, with 0, 1 and 5 premessage hooks, and how much of the whole is the hub's."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.latency import one_at_a_time, stages_of
from bench.report import Report, milliseconds
from bench.rounds import Bench, alternate
from bench.servers import Server
from bench.sms import Webhooks

HOOKS = (0, 1, 5)
SLOW_MS = 500
OTHERS = ("assistant", "send")
"""Stages in which the hub waits for somebody else."""
SHOWN = ("wait", "premessage", "assistant", "render", "commit", "send")
CALLS = 2_000


async def stages(bench: Bench) -> Report:
    """Mean time of each stage, the hub's share, and the price of validation and rendering."""
    requests = Webhooks()
    requests.prepare(int(bench.seconds * 5) + 10)

    async def measure(server: Server) -> dict[str, float]:
        await one_at_a_time(bench, server, requests)
        return await asyncio.to_thread(stages_of, server.port)

    def tell(found: dict[str, float]) -> str:
        return ", ".join(f"{stage} {milliseconds(found[stage])}" for stage in SHOWN if stage in found) + " ms"

    sides = {f"{count} hooks": (bench.hub(hooks=count), measure, tell) for count in HOOKS}
    sides[f"0 hooks, {SLOW_MS} ms"] = (bench.hub(delay_ms=SLOW_MS), measure, tell)
    found = await alternate(bench, "stages", sides)
    report = Report("One turn at low load by stage, mean ms", ("", *SHOWN, "hub's share"))
    for name, rounds in found.items():
        mean = {stage: statistics.median(each.get(stage, 0.0) for each in rounds) for stage in SHOWN}
        whole = sum(mean.values())
        share = 1 - sum(mean[stage] for stage in OTHERS) / whole
        report.rows.append([name, *(milliseconds(mean[stage]) for stage in SHOWN), f"{share:.0%}"])
    prices = await asyncio.to_thread(price_list)
    report.notes = [
        f"a second assistant that takes {SLOW_MS} ms stands for a real one; stages without effect show 0.00",
        "; ".join(f"{what} {microseconds:.1f} µs" for what, microseconds in prices.items()),
    ]
    report.raw = {"stages_seconds": found, "microseconds": prices}
    return report


def price_list() -> Mapping[str, float]:
    """Microseconds of one call of what a turn does in this process, on a response of about 1.5 kB."""
    from hub.contract import check_response, checked
    from hub.rendering.markup import plain
    from hub.rendering.text import Style, messages

    response = typical()
    style = Style(1600)
    text = "Please <b>call</b> us at [our shop](https://shop.example/help) &amp; ask for *Ann*."
    calls: dict[str, Callable[[], Any]] = {
        "checked (what the host needs)": lambda: checked(response),
        "check_response (the contract)": lambda: check_response(response),
        "rendering": lambda: messages(response, style),
        "one text with markup": lambda: plain(text),
    }
    return {what: _microseconds(call) for what, call in calls.items()}


def typical() -> dict[str, Any]:
    """A response as a stateful assistant gives it: two texts, a list of three, a picture, a context."""
    text = "Your order of two coffee tables left our warehouse this morning and should arrive on Thursday."
    options = [
        {"label": label, "value": {"input": {"message_type": "text", "text": label.lower()}}}
        for label in ("Track the parcel", "Change the address", "Talk to somebody")
    ]
    return {
        "output": {
            "generic": [
                {"response_type": "text", "text": text},
                {"response_type": "text", "text": "What would you like to do next?"},
                {"response_type": "option", "title": "Please choose", "options": options},
                {"response_type": "image", "source": "https://shop.example/map.png", "title": "Where we are"},
            ],
            "intents": [{"intent": "order_status", "confidence": 0.92}],
            "entities": [{"entity": "order", "location": [10, 16], "value": "4711", "confidence": 1.0}],
        },
        "context": {
            "global": {"system": {"turn_count": 3, "user_id": "0" * 32, "timezone": "UTC"}, "session_id": "0" * 36},
            "skills": {"main skill": {"user_defined": {"order": "4711"}, "system": {"state": "x" * 300}}},
        },
        "user_id": "0" * 32,
    }


def _microseconds(call: Callable[[], Any]) -> float:
    """The median of five runs of many calls, after one that loads what is loaded on first use."""
    call()
    runs = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        runs.append((time.perf_counter() - began) / CALLS * 1e6)
    return statistics.median(runs)
