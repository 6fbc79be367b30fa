"""Whether deciding costs what the rules cost that can match, and not what all of them would.

Two packs, one of 100 rules and one of 10,000, have the same ten rules for the event that is decided; the
others are for other types of events. Run with `python -m tests.bench.index`.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

import orjson

from schemas.case_event import parse_case_event
from schemas.pack import ProtocolPack
from schemas.vocabulary import EventType
from services.cli.simulation.reading import Arrival, build_script
from services.routing.case_state import CaseState
from services.routing.decide import decide
from services.routing.rules import PackSet, PackVersion
from tests.bench.check import HELD, render_conditions

MATCHING: Final = 10
FEW: Final = 100
MANY: Final = 10_000
WANTED_RATIO: Final = 1.5
_ROUNDS: Final = 60
_COPIES: Final = 50
_TYPE: Final = EventType.VICTIM_POTENTIAL_IDENTIFIED
_OTHERS: Final = [each for each in EventType if each is not _TYPE]
_EVENT: Final = {
    "specversion": "1.0",
    "id": "e1",
    "source": "urn:tocsin:agency:ag-bpd:bench",
    "type": f"org.tocsin.{_TYPE.value}.v1",
    "subject": "C1",
    "time": "2026-03-03T08:00:00Z",
    "data": {
        "county": "06029",
        "age": {"band": "13to15"},
        "exploitation": {"types": ["SexualExploitation"]},
        "safety": {"risk": "high"},
        "name": {"full": "Bench Person"},
    },
}


@dataclass(frozen=True, slots=True)
class IndexCost:
    """CPU of one decision with few rules and with many, of which equally many can match."""

    few_us: float
    many_us: float
    ratio: float


def measure() -> IndexCost:
    """The quietest of rounds that take turns, so that what else the machine does falls on both."""
    few, many = _build_packs(FEW), _build_packs(MANY)
    arrival = _arrive()
    rounds = [(_measure_round(arrival, few), _measure_round(arrival, many)) for _ in range(_ROUNDS)]
    few_us, many_us = (min(each) for each in zip(*rounds, strict=True))
    return IndexCost(round(few_us, 1), round(many_us, 1), round(many_us / few_us, 2))


def _arrive() -> Arrival:
    script = build_script({"steps": [{"at": "2026-03-03T09:00:00-08:00", "event": _EVENT}]})
    (arrival,) = script.steps
    if not isinstance(arrival, Arrival):
        raise TypeError("an event arrives")
    return arrival


def _measure_round(arrival: Arrival, packs: PackSet) -> float:
    raw, case = orjson.dumps(_EVENT), CaseState.empty()
    events = [parse_case_event(raw) for _ in range(_COPIES)]
    begun_at = time.process_time()
    for event in events:
        decide(event, case, arrival.directory, packs, arrival.at)
    return (time.process_time() - begun_at) / _COPIES * 1e6


def _build_packs(rules: int) -> PackSet:
    document = {
        "pack": "large",
        "version": "1.0.0",
        "title": "A large pack",
        "notice": "Sample of a benchmark, not legal advice.",
        "in_force_from": "2026-01-01T00:00:00-08:00",
        "rules": list(islice(_render_rules(), rules)),
    }
    return PackSet([PackVersion(ProtocolPack.model_validate_json(orjson.dumps(document)))])


def _render_rules() -> Iterator[dict[str, Any]]:
    """Ten for the event that is decided, every tenth of its hundred; the rest for all the others."""
    others, roles = cycle(_OTHERS), cycle(HELD)
    for number, condition in enumerate(render_conditions()):
        can_match = number < FEW and number % (FEW // MATCHING) == 0
        yield {
            "id": f"LARGE-{number:05}",
            "title": "A rule of a large pack",
            "on": [_TYPE.value if can_match else next(others).value],
            "when": "minor" if number == 0 else condition,
            "notify": [{"role": next(roles).value}],
            "urgency": "urgent",
            "basis": "agreement",
            "consent": "base",
            "disclose": ["age", "exploitation"],
            "disclose_with_consent": ["name"],
            "authority": ["a benchmark"],
        }


def main() -> None:
    """Print both costs and their ratio."""
    cost = measure()
    sys.stdout.write(
        f"{cost.few_us} µs with {FEW} rules, {cost.many_us} µs with {MANY}, {MATCHING} of each can match: "
        f"{cost.ratio} ({WANTED_RATIO} wanted)\n"
    )


if __name__ == "__main__":
    main()
