"""What one decision costs: CPU time per event over the golden cases that alert two or more agencies.

Run with `python -m tests.bench.decide`.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from schemas.case_event import CaseEvent, parse_case_event
from services.cli.simulation.reading import Arrival, read_scenario
from services.routing.case_state import CaseState
from services.routing.decide import decide
from services.routing.packs import SHIPPED, load_packs
from services.routing.rules import PackSet

COPIES = 100
ROUNDS = 50
ALERTS = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """The CPU time of deciding one event that nobody has looked at before."""

    case: str
    microseconds: float


def measure(packs: PackSet, *, rounds: int = ROUNDS) -> Iterator[Cost]:
    """Measure every golden case whose event alerts two or more agencies."""
    for path in sorted(SHIPPED.glob("*/*.cases/*.json")):
        raw = json.loads(path.read_bytes())["steps"][-1]["event"]
        arrival = read_scenario(path).steps[-1]
        if isinstance(arrival, Arrival) and _count_alerts(arrival, packs) >= ALERTS:
            yield Cost(
                f"{path.parent.stem}/{path.stem}", _measure(arrival, orjson.dumps(raw), packs, rounds=rounds)
            )


def _count_alerts(arrival: Arrival, packs: PackSet) -> int:
    case = CaseState.empty()
    return len(decide(arrival.event, case, arrival.directory, packs, arrival.at).alerts)


def _measure(arrival: Arrival, raw: bytes, packs: PackSet, *, rounds: int) -> float:
    """The quietest round: what others do on the machine at the time is not the cost of deciding."""
    return min(_measure_round(arrival, raw, packs) for _ in range(rounds))


def _measure_round(arrival: Arrival, raw: bytes, packs: PackSet) -> float:
    events: list[CaseEvent] = [parse_case_event(raw) for _ in range(COPIES)]
    case = CaseState.empty()
    begun_at = time.process_time()
    for event in events:
        decide(event, case, arrival.directory, packs, arrival.at)
    return (time.process_time() - begun_at) / COPIES * 1e6


def main() -> None:
    """Print the cost of each case, and the median of all."""
    costs = list(measure(load_packs()))
    for cost in sorted(costs, key=lambda cost: cost.microseconds):
        sys.stdout.write(f"{cost.microseconds:7.1f} µs  {cost.case}\n")
    median = statistics.median(cost.microseconds for cost in costs)
    sys.stdout.write(f"{median:7.1f} µs  median of {len(costs)} cases\n")


if __name__ == "__main__":
    main()
