"""Percentiles, tables and the JSON file of raw figures."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.load import Sample


@dataclass
class Report:
    """What one part found: a table for people, notes below it, and every raw figure."""

    title: str
    header: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        table = [list(self.header), *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.header))]
        lines = [_line(row, widths) for row in table]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(["", self.title, "=" * len(self.title), *lines, *(f"* {note}" for note in self.notes)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0].ljust(widths[0])
    others = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join([first, *others])


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def milliseconds(seconds: float) -> str:
    """For a table."""
    return f"{seconds * 1000:.2f}" if seconds < 0.1 else f"{seconds * 1000:,.0f}"


def median_rate(samples: Sequence[Sample]) -> float:
    """Median of the rounds' rates."""
    return statistics.median(sample.rate for sample in samples)


def median_percentile(samples: Sequence[Sample], percent: float) -> float:
    """Median of the rounds' percentiles."""
    return statistics.median(percentile(sample.latencies, percent) for sample in samples)


def median_cpu(samples: Sequence[Sample]) -> float:
    """Median of the rounds' worker CPU microseconds for each answer or turn."""
    return statistics.median(sample.cpu_microseconds for sample in samples)


def load_share(found: Mapping[str, Sequence[Sample]]) -> str:
    """How busy the load generator was at most; near 100 % it would have been the limit itself."""
    most = max(sample.load_cpu / sample.seconds for samples in found.values() for sample in samples)
    return f"load generator and doubles used at most {most:.0%} of their core"


def raw(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Every figure of every round."""
    return [
        {
            "seconds": sample.seconds,
            "count": sample.count,
            "rate": sample.rate,
            "statuses": dict(sample.statuses),
            "server_cpu_seconds": sample.server_cpu,
            "load_cpu_seconds": sample.load_cpu,
            "core_cpu_seconds": sample.core_cpu,
            "latencies_us": [round(latency * 1e6) for latency in sample.latencies],
            "late_us": [round(late * 1e6) for late in sample.late],
        }
        for sample in samples
    ]


def save(path: Path, machine: dict[str, str], reports: dict[str, Report]) -> None:
    """Write all raw figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {name: {"table": [report.header, *report.rows], **report.raw} for name, report in reports.items()}
    path.write_text(json.dumps({"machine": machine, "parts": parts}, indent=1) + "\n")
