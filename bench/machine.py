"""The machine: which core does what, what a commit costs here, and what a process uses."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """Where the server under test runs, and where the load generator with the double; None: anywhere."""

    server: int | None
    load: int | None

    def __str__(self) -> str:
        if self.server is None:
            return "not pinned (one core, or a system without CPU affinity): server and load share the CPU"
        return f"server under test on core {self.server}, load generator and doubles on core {self.load}"


def choose_cores() -> Cores:
    """The first two cores this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run this thread, and the processes it starts meanwhile, on `core`."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_open_files(wanted: int = 8192) -> None:
    """Raise the soft limit of open files, for this process and its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def sync_microseconds(directory: Path, times: int = 50) -> float:
    """Median time of appending 4 KiB to a file in `directory` and syncing it."""
    taken = []
    path = directory / "sync"
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            started = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(taken) * 1e6


def describe(cores: Cores, directory: Path) -> dict[str, str]:
    """What a reader needs to compare figures."""
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load average {load}",
        "python": platform.python_version(),
        "cores": str(cores),
        "sync": f"{sync_microseconds(directory):.0f} µs to append and fsync 4 KiB where the databases are",
    }


@dataclass(frozen=True)
class Memory:
    """Resident and proportional set size in bytes (1 MB = 1,000,000 bytes)."""

    rss: int
    pss: int

    def __str__(self) -> str:
        return f"RSS {self.rss / 1e6:.1f} MB, PSS {self.pss / 1e6:.1f} MB"


def memory(pid: int) -> Memory:
    """What process `pid` holds now."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, kilobytes = line.split(":")
        sizes[name] = int(kilobytes.split()[0]) * 1024
    return Memory(sizes["Rss"], sizes["Pss"])


def cpu_seconds(pid: int) -> float:
    """CPU time process `pid` has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def core_seconds(core: int | None) -> float:
    """CPU time anything has used on `core` (None: on all), the time a hypervisor took away included."""
    name = "cpu" if core is None else f"cpu{core}"
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"{name} "):
            user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, line.split()[1:])
            return (user + nice + system + irq + softirq + steal) / _TICKS
    return 0.0


def children(pid: int) -> list[int]:
    """The child processes of `pid`."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
