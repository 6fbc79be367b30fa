"""Figures: processor time and memory of process trees, latencies, and the arrival check."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its living and reaped children."""
    total = 0.0
    process = psutil.Process(pid)
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if each is process:
            total += times.children_user + times.children_system
    return total


@dataclass
class Usage:
    """Processor seconds spent between two looks, per named process."""

    pids: Mapping[str, int]
    _before: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Take the first look."""
        self._before = {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def stop(self) -> dict[str, float]:
        """Take the second look; return seconds spent since the first."""
        return {name: cpu_seconds(pid) - self._before[name] for name, pid in self.pids.items()}


class MemoryWatch:
    """Samples resident memory of processes each second in a thread of its own."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._samples: dict[str, list[int]] = {name: [] for name in pids}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            for name, process in self._processes.items():
                self._samples[name].append(process.memory_info().rss)

    def report(self) -> dict[str, dict[str, float]]:
        """Per process: MB at most, and MB grown between the middle and the end of the run."""
        return {name: _memory(samples) for name, samples in self._samples.items() if samples}


def _memory(samples: Sequence[int]) -> dict[str, float]:
    middle = samples[len(samples) // 2]
    return {
        "max_mb": round(max(samples) / 1e6, 1),
        "growth_second_half_mb": round((samples[-1] - middle) / 1e6, 1),
    }


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """p50, p95, p99 and the maximum, in milliseconds."""
    ordered = sorted(values)
    if not ordered:
        return {}

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)

    return {"p50": at(0.50), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)}


@dataclass(frozen=True, slots=True)
class ArrivalCheck:
    """Whether every webhook that had to arrive did, verified; and how often one came twice."""

    expected: int
    arrived: int
    missing: int
    unexpected: int
    duplicates: int
    refused: int

    @property
    def ok(self) -> bool:
        """All arrived, nothing else did, none failed its signature."""
        return not (self.missing or self.unexpected or self.refused)


def check_arrivals(expected: Iterable[str], received: Mapping[str, Any]) -> ArrivalCheck:
    """Compare what had to arrive with a receiver's record."""
    wanted = set(expected)
    counts = Counter(what for _, what, _ in received["arrivals"])
    return ArrivalCheck(
        expected=len(wanted),
        arrived=len(counts),
        missing=len(wanted - counts.keys()),
        unexpected=len(counts.keys() - wanted),
        duplicates=sum(counts.values()) - len(counts),
        refused=received["refused"],
    )


def now() -> float:
    """Wall-clock seconds, comparable between processes of one machine."""
    return time.time()
