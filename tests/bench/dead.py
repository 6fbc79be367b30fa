"""What ten thousand alerts to one dead endpoint cost those whose endpoints live.

One stack, and the same load ten times: in turn the alerts of the dead endpoint wait for tomorrow, and are due
as their schedule has it, each once in two minutes. Its listener takes every connection and never answers:
that ties up more than one that refuses.
"""

import asyncio
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg

from schemas.directory import endpoint_id
from tests.bench.measure import percentiles
from tests.bench.mix import build_directory, build_events
from tests.bench.stack import Receiver, run_load, running_receiver, running_stack

DEAD: Final = "ag-ca-clc"
ALERTS: Final = 10_000
WANTED_RAISE: Final = 1.25
ROUNDS: Final = 5
_RATE: Final = 200
_SECONDS: Final = 5
_FEED_RATE: Final = 800
_SETTLE_SECONDS: Final = 30.0
_PARK: Final = """
UPDATE notify.delivery SET due_at = now() + interval '1 day'
WHERE lane = $1 AND state = 'pending' AND leased_by IS NULL
"""
_WAKE: Final = """
UPDATE notify.delivery SET due_at = now() + random() * interval '2 minutes'
WHERE lane = $1 AND state = 'pending' AND leased_by IS NULL
"""
_WAITING: Final = "SELECT count(*) FROM notify.delivery WHERE lane = $1 AND state = 'pending'"


def measure_dead(folder: Path) -> dict[str, Any]:
    """For each round the latency of the others' webhooks without and with what waits for the dead one."""
    directory, key, secrets = build_directory(port=0, mail=False)
    with _silent_listener() as silent, running_receiver(folder / "receiver", secrets) as receiver:
        for agency in directory["agencies"]:
            port = silent if agency["id"] == DEAD else receiver.port
            for endpoint in agency["endpoints"]:
                endpoint["url"] = endpoint["url"].replace(":0/", f":{port}/")
        dead = endpoint_id(agency=DEAD, url=f"http://127.0.0.1:{silent}/{DEAD}")
        with running_stack(folder / "stack", directory=directory) as ready:
            bench = _Bench(folder, ready, key, dead, receiver)
            bench.feed()
            waiting = bench.ask(_WAITING)
            due = [bench.run_both(number) for number in range(ROUNDS)]
        received = receiver.finish()
    rounds = [{name: summarise(received, sent) for name, sent in both.items()} for both in due]
    ratios = [round(each["with"]["p99"] / each["without"]["p99"], 3) for each in rounds]
    return {"waiting": waiting, "rounds": rounds, "ratios": ratios, "median_ratio": median(ratios)}


class _Bench:
    """The stack under measurement."""

    def __init__(
        self, folder: Path, ready: Mapping[str, Any], key: str, dead: str, receiver: Receiver
    ) -> None:
        self._folder = folder
        self._ready = ready
        self._key = key
        self._dead = dead
        self._receiver = receiver
        self._expected = 0

    def feed(self) -> None:
        """Alerts to the dead endpoint, each with one to an agency that lives."""
        self._load("feed", rate=_FEED_RATE, seconds=-(-ALERTS // _FEED_RATE), is_labor_alone=True)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self.ask(_WAITING) < ALERTS and time.monotonic() < deadline:
            time.sleep(0.2)

    def run_both(self, number: int) -> dict[str, dict[str, float]]:
        """Every other round the other way round, for what has gone before costs, too."""
        order = [("without", _PARK), ("with", _WAKE)]
        return {
            name: self._run(f"{name}-{number}", prepare)
            for name, prepare in (order if number % 2 == 0 else reversed(order))
        }

    def _run(self, run: str, prepare: str) -> dict[str, float]:
        """When each event was due."""
        self.ask(prepare)
        sent = self._load(run, rate=_RATE, seconds=_SECONDS)
        return {event_id: at for event_id, at, _, _ in sent["sent"]}

    def ask(self, statement: str) -> Any:  # noqa: ANN401 -- whatever a statement says
        return asyncio.run(_ask(self._ready["postgres"], statement, self._dead))

    def _load(self, run: str, *, rate: int, seconds: int, is_labor_alone: bool = False) -> dict[str, Any]:
        plan = {
            "url": self._ready["intake"] + "/v1/events",
            "key": self._key,
            "run": run,
            "rate": rate,
            "seconds": seconds,
            "gather_ms": 20,
            "is_labor_alone": is_labor_alone,
        }
        sent, _ = run_load(self._folder, plan, module=("tests.bench.load",))
        others = 1.0 if is_labor_alone else _others_per_event()
        self._expected += round(rate * seconds * others)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._receiver.count() < self._expected and time.monotonic() < deadline:
            time.sleep(0.1)
        return sent


def _others_per_event() -> float:
    sample = list(build_events(10, run="sample"))
    return sum(f"/{DEAD}/" not in what for event in sample for what in event.expected) / len(sample)


async def _ask(url: str, statement: str, lane: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement, lane)
    finally:
        await connection.close()


def summarise(received: Mapping[str, Any], due: Mapping[str, float]) -> dict[str, float]:
    """From the scheduled instant to the receipt, and how many came."""
    latencies = [
        at - due[event_id] for _, what, at in received["arrivals"] if (event_id := what.split("/")[0]) in due
    ]
    return percentiles(latencies) | {"arrived": len(latencies)}


@contextmanager
def _silent_listener() -> Iterator[int]:
    """A port that takes connections and never answers: nobody accepts what the system took."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield listener.getsockname()[1]


def compare_dead(dead: Mapping[str, Any]) -> dict[str, bool]:
    arrived = [each[which]["arrived"] for each in dead["rounds"] for which in ("without", "with")]
    return {
        f"p99 of the others <= {WANTED_RAISE} x beside {ALERTS} to a dead endpoint (median of {ROUNDS})": (
            dead["median_ratio"] <= WANTED_RAISE and dead["waiting"] >= ALERTS and len(set(arrived)) == 1
        )
    }
