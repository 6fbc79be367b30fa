"""`make bench`: the figures of docs/performance.md, printed and stored as JSON.

python -m tests.bench                 everything: about three minutes
python -m tests.bench --quick         a short run to see that it works
python -m tests.bench --rate 800      another load (events per second)
python -m tests.bench --part routing  what deciding and backtests cost, with no server: a minute or two
python -m tests.bench --part dead     what a dead endpoint costs the others, and a claim among a million
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.claim import compare_claim, measure_claim
from tests.bench.dead import compare_dead, measure_dead
from tests.bench.floor_run import measure_floor
from tests.bench.mail_run import measure_mail
from tests.bench.measure import MemoryWatch, Usage, check_arrivals, percentiles
from tests.bench.mix import LoadEvent, build_directory, build_events
from tests.bench.routing import compare_routing, measure_routing
from tests.bench.stack import Receiver, run_load, running_receiver, running_stack

OURS: Final = ("intake", "routing", "notify")
WANTED_EVENTS: Final = 1000
WANTED_ALERTS: Final = 2000
WANTED_P99_MS: Final = 250
WANTED_MB: Final = 150
WANTED_GROWTH_MB: Final = 5
"""Of the second half of the full part: what fills up once has filled up in the first."""
WANTED_READY_SECONDS: Final = 8
_SETTLE_SECONDS: Final = 30.0
# Beside everything else a fifth of the past has to do, and is scaled up: the whole of it is measured alone.
_WHOLE_PAST, _SHORT_PAST = 100_000, 20_000


@dataclass(frozen=True, slots=True)
class Size:
    """How long and how much."""

    rate: int
    seconds: int
    half_seconds: int
    warm_seconds: int
    mail_rate: int

    @property
    def loads(self) -> "tuple[Load, ...]":
        """In this order. A busy source sends together what fell due in 20 ms; in `alone` it does not."""
        return (
            Load("warm", self.rate // 2, self.warm_seconds, gather_ms=20),
            Load("full", self.rate, self.seconds, gather_ms=20),
            Load("half", self.rate // 2, self.half_seconds, gather_ms=20),
            Load("alone", self.rate * 4 // 5, self.half_seconds, gather_ms=0),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """A steady rate of events a second for so many seconds, in requests of what fell due meanwhile."""

    name: str
    rate: int
    seconds: int
    gather_ms: int

    def build_events(self) -> Iterator[LoadEvent]:
        """The events it sends."""
        return build_events(self.rate * self.seconds, run=self.name)


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the run showed."""

    rate: int
    gather_ms: int
    seconds: int
    accepted: int
    refused: int
    accepted_per_second: float
    delivered_per_second: float
    backlog_after_one_second: int
    arrivals: dict[str, Any]
    accepted_to_received_ms: dict[str, float]
    scheduled_to_answered_ms: dict[str, float]


class Bench:
    """One stack, one receiver, several loads."""

    def __init__(self, *, folder: Path, ready: Mapping[str, Any], key: str, receiver: Receiver) -> None:
        self._folder = folder
        self._ready = ready
        self._key = key
        self._receiver = receiver
        self.sent: dict[str, dict[str, Any]] = {}
        self.load_cpu: dict[str, float] = {}
        self.backlog: dict[str, int] = {}

    def run(self, load: Load) -> None:
        """Send one load, note how many arrivals were missing a second after its end, and wait for them."""
        say(f"{load.name}: {load.rate} events a second for {load.seconds} s …")
        before = self._receiver.count()
        expected = sum(len(event.expected) for event in load.build_events())
        plan = {
            "url": self._ready["intake"] + "/v1/events",
            "key": self._key,
            "run": load.name,
            "rate": load.rate,
            "seconds": load.seconds,
            "gather_ms": load.gather_ms,
        }
        self.sent[load.name], self.load_cpu[load.name] = run_load(
            self._folder, plan, module=("tests.bench.load",)
        )
        last_answer = max(answered for _, _, answered, _ in self.sent[load.name]["sent"])
        time.sleep(max(0.0, last_answer + 1.0 - time.time()))
        self.backlog[load.name] = expected - (self._receiver.count() - before)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._receiver.count() - before < expected and time.monotonic() < deadline:
            time.sleep(0.1)


def summarise(sent: Mapping[str, Any], received: Mapping[str, Any], *, load: Load, backlog: int) -> Part:
    """Join what was sent with what arrived; latency runs from the scheduled instant to the receipt."""
    due = {event_id: at for event_id, at, _, _ in sent["sent"]}
    mine = [row for row in received["arrivals"] if row[1].split("/")[0] in due]
    accepted = [row for row in sent["sent"] if row[3] == 202]
    ids = {row[0] for row in accepted}
    expected = [what for event in load.build_events() if event.id in ids for what in event.expected]
    first, last = min(due.values()), max(at for _, _, at in mine)
    return Part(
        rate=load.rate,
        gather_ms=load.gather_ms,
        seconds=load.seconds,
        accepted=len(accepted),
        refused=len(sent["sent"]) - len(accepted),
        accepted_per_second=round(len(accepted) / (max(row[2] for row in accepted) - first), 1),
        delivered_per_second=round(len(mine) / (last - first), 1),
        backlog_after_one_second=backlog,
        arrivals=asdict(check_arrivals(expected, {"arrivals": mine, "refused": received["refused"]})),
        accepted_to_received_ms=percentiles(at - due[what.split("/")[0]] for _, what, at in mine),
        scheduled_to_answered_ms=percentiles(row[2] - row[1] for row in sent["sent"]),
    )


def measure_webhooks(folder: Path, size: Size) -> dict[str, Any]:
    """Warm up, sustain the full rate, then half of it, then one event a request; then sum up."""
    directory, key, secrets = build_directory(port=0, mail=False)
    usage: dict[str, dict[str, Any]] = {}
    with running_receiver(folder / "receiver", secrets) as receiver:
        for agency in directory["agencies"]:
            for endpoint in agency["endpoints"]:
                endpoint["url"] = endpoint["url"].replace(":0/", f":{receiver.port}/")
        with running_stack(folder / "stack", directory=directory) as ready:
            bench = Bench(folder=folder, ready=ready, key=key, receiver=receiver)
            for load in size.loads:
                with _watched(ready["pids"], receiver.pid) as usage[load.name]:
                    bench.run(load)
            received = receiver.finish()
    parts = {
        load.name: summarise(bench.sent[load.name], received, load=load, backlog=bench.backlog[load.name])
        for load in size.loads
        if load.name != "warm"
    }
    return {
        "ready_seconds": ready["ready_seconds"],
        **{name: asdict(part) for name, part in parts.items()},
        "cpu_us_per_delivered_alert": {
            name: _per_alert(usage[name]["cpu"] | {"load": bench.load_cpu[name]}, part.arrivals["arrived"])
            for name, part in parts.items()
        },
        "memory": usage["full"]["memory"],
    }


@contextmanager
def _watched(pids: Mapping[str, int], receiver: int) -> Iterator[dict[str, Any]]:
    report: dict[str, Any] = {}
    usage = Usage(dict(pids) | {"receiver": receiver})
    usage.start()
    with MemoryWatch({name: pids[name] for name in OURS}) as memory:
        yield report
    report["cpu"], report["memory"] = usage.stop(), memory.report()


def _per_alert(cpu: Mapping[str, float], delivered: int) -> dict[str, float]:
    each = {name: round(seconds / delivered * 1e6, 1) for name, seconds in cpu.items()}
    ours = round(sum(each[name] for name in OURS), 1)
    return {**each, "ours": ours, "all": round(sum(each.values()), 1)}


def say(text: str) -> None:
    """Progress goes where it does not mix with the figures."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def compare(webhooks: Mapping[str, Any]) -> dict[str, bool]:
    """Which of the figures that we want to reach this run reached."""
    full, half = webhooks["full"], webhooks["half"]
    return {
        # An open loop of exactly so many ends a little after its last send: one in a hundred is that.
        "events_per_second >= 1000": full["accepted_per_second"] >= WANTED_EVENTS * 0.99,
        "alerts_per_second >= 2000": full["delivered_per_second"] >= WANTED_ALERTS,
        "no backlog a second after the load": full["backlog_after_one_second"] <= 0,
        "p99 at half the load <= 250 ms": half["accepted_to_received_ms"]["p99"] <= WANTED_P99_MS,
        "memory <= 150 MB per service": all(
            each["max_mb"] <= WANTED_MB for each in webhooks["memory"].values()
        ),
        "memory flat: <= 5 MB more at the end than at half-time": all(
            each["growth_second_half_mb"] <= WANTED_GROWTH_MB for each in webhooks["memory"].values()
        ),
        "ready in <= 8 s": webhooks["ready_seconds"] <= WANTED_READY_SECONDS,
    }


def _parse() -> tuple[Size, Path, str]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=1000, help="events per second of the full part")
    parser.add_argument("--seconds", type=int, default=60, help="length of the full part")
    parser.add_argument("--quick", action="store_true", help="a few seconds of each part")
    parser.add_argument("--part", choices=("all", "routing", "dead"), default="all", help="what to measure")
    parser.add_argument("--out", type=Path, default=Path(".bench/latest.json"), help="where the JSON goes")
    options = parser.parse_args()
    if options.quick:
        return Size(options.rate, 5, 5, 2, 20), options.out, options.part
    return Size(options.rate, options.seconds, 30, 5, 40), options.out, options.part


def measure_all(size: Size) -> dict[str, Any]:
    """Every part, and what of them was reached."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        folder = Path(name)
        result: dict[str, Any] = {"webhooks": measure_webhooks(folder / "webhooks", size)}
        say("e-mail …")
        result["email"] = measure_mail(folder / "mail", rate=size.mail_rate, seconds=min(size.seconds, 15))
        say("the floor: a bare relay …")
        result["floor"] = measure_floor(folder / "floor", rate=size.rate, seconds=min(size.seconds, 20))
    say("routing …")
    result["routing"] = measure_routing(backtest_events=_SHORT_PAST, rounds=5)
    ours = result["webhooks"]["cpu_us_per_delivered_alert"]["full"]["all"]
    result["cpu_over_floor"] = round(ours / result["floor"]["cpu_us_per_delivered_alert"]["all"], 2)
    result["reached"] = compare(result["webhooks"]) | compare_routing(result["routing"])
    return result


def measure_part_routing() -> dict[str, Any]:
    """Routing alone, on the whole past."""
    routing = measure_routing(backtest_events=_WHOLE_PAST, rounds=20)
    return {"routing": routing, "reached": compare_routing(routing)}


def measure_part_dead() -> dict[str, Any]:
    """What a dead endpoint and a long past cost everybody else."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        say("a dead endpoint …")
        dead = measure_dead(Path(name) / "dead")
    say("a claim among a million …")
    claim = measure_claim()
    return {"dead": dead, "claim": claim, "reached": compare_dead(dead) | compare_claim(claim)}


def main() -> int:
    """Run every part, print and store the figures; fail if anything did not arrive."""
    size, out, part = _parse()
    machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
    parts = {"routing": measure_part_routing, "dead": measure_part_dead}
    result = {"machine": machine} | (parts[part]() if part in parts else measure_all(size))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    for figure, is_reached in result["reached"].items():
        say(f"{'reached' if is_reached else 'MISSED '} {figure}")
    return 1 if part == "all" and _is_anything_missing(result) else 0


def _is_anything_missing(result: Mapping[str, Any]) -> bool:
    parts = [result["webhooks"][name] for name in ("full", "half", "alone")]
    lost = any(part["arrivals"]["missing"] or part["arrivals"]["unexpected"] for part in parts)
    return lost or bool(result["email"]["missing"])


if __name__ == "__main__":
    sys.exit(main())
