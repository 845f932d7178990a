"""What the hub counts. With several gunicorn workers each writes its own files and ``/metrics`` adds them up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def share_between_workers() -> None:
    """Let the workers of one gunicorn master share their numbers; call before anything is counted.

    The folder is named after the master (the parent process); those of masters that are gone are removed.
    """
    if os.environ.get(_FOLDER):
        return
    base = Path("instance/metrics").absolute()
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in base.iterdir():
            if old.name.isdigit() and not _alive(int(old.name)):
                shutil.rmtree(old, ignore_errors=True)
        mine = base / str(os.getppid())
        mine.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return
    os.environ[_FOLDER] = str(mine)


if os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
    share_between_workers()

from prometheus_client import (  # noqa: E402 - prometheus_client looks at the folder when it is imported
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily  # noqa: E402
from prometheus_client.metrics_core import Metric  # noqa: E402
from prometheus_client.registry import Collector  # noqa: E402

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

WEBHOOKS = Counter("hub_webhooks_total", "Webhook requests by result", ["channel", "result"])
TURNS = Counter("hub_turns_total", "Turns by result", ["assistant", "result"])
STAGE_SECONDS = Histogram("hub_turn_stage_seconds", "Time of a turn's stages", ["stage"], buckets=_SECONDS)
SENDS = Counter("hub_sends_total", "Attempts to send a message by result and error code", ["channel", "result", "code"])
HOOK_FAILURES = Counter("hub_hook_failures_total", "Hook calls that raised", ["plugin", "hook"])
HOOK_SECONDS = Histogram("hub_hook_seconds", "Time of hook calls", ["plugin", "hook"], buckets=_SECONDS)
LOGGED = Counter("hub_log_events_total", "Events offered to logged hooks by result", ["plugin", "result"])
GUARD = Counter("hub_loop_guard_total", "Messages kept back by the loop guard", ["rule"])
MEDIA = Counter("hub_media_total", "Inbound files by result", ["result"])


class Waiting(Collector):
    """Gauges read from the store at the moment of the scrape, so they are right whoever answers it."""

    def __init__(self, lanes: int, oldest_seconds: float) -> None:
        self._lanes = lanes
        self._oldest = oldest_seconds

    def collect(self) -> Iterable[Metric]:
        """Lanes with work that waits, and the age of the oldest text without a turn."""
        yield GaugeMetricFamily("hub_lanes_waiting", "Lanes with work that waits", value=self._lanes)
        yield GaugeMetricFamily(
            "hub_oldest_waiting_message_seconds", "Age of the oldest text without a turn", value=self._oldest
        )


class _Shared(multiprocess.MultiProcessCollector):
    """The workers' files; one that a starting worker has made but not filled yet is left out."""

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in Path(os.environ[_FOLDER]).glob("*.db") if file.stat().st_size]
        merged: Iterable[Metric] = self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return merged


def exposition(waiting: Waiting) -> tuple[bytes, str]:
    """The text of ``/metrics`` and its content type."""
    registry = CollectorRegistry()
    registry.register(waiting)
    if os.environ.get(_FOLDER):
        _Shared(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(REGISTRY) + generate_latest(registry), CONTENT_TYPE_LATEST
