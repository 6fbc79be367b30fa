"""What the log lines of a process come to, added up as they are written: the numbers of `/metrics`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.runtime.logbook import Catalogue

LABELS: Final = ("channel", "outcome", "reason", "status")
"""All that any entry tells lines apart by."""
MOST_SERIES: Final = 2000
"""What a fault of ours might make without end is then counted by its event alone."""
LONGEST_LABEL: Final = 64
COUNT: Final = "_count"
MILLISECONDS: Final = "_ms"


class HowToAdd(NamedTuple):
    """Of one event: the keys that its lines are told apart by, and those whose numbers are added up."""

    apart: tuple[str, ...]
    summed: tuple[str, ...]


def find_how_to_add(catalogue: Catalogue) -> dict[str, HowToAdd]:
    """By event."""
    return {
        event: HowToAdd(entry.apart, tuple(key for key in entry.keys if key.endswith((COUNT, MILLISECONDS))))
        for event, entry in catalogue.items()
    }


@dataclass(slots=True)
class LineTally:
    """Adds up lines; the hot path of every one."""

    rows: dict[tuple[object, ...], list[int | float]] = field(default_factory=dict)
    """By event and what tells its lines apart: how many lines, then the sums."""

    def add(self, event: str, how: HowToAdd, keys: Mapping[str, object]) -> None:
        key = (event, *[keys.get(name) for name in how.apart])
        row = self.rows.get(key)
        if row is None:
            row = self._begin(key, how)
        row[0] += 1
        for place, name in enumerate(how.summed, start=1):
            value = keys.get(name)
            if isinstance(value, int | float):
                row[place] += value

    def _begin(self, key: tuple[object, ...], how: HowToAdd) -> list[int | float]:
        event, *values = key
        if len(self.rows) >= MOST_SERIES or not all(map(_may_be_label, values)):
            key = (event, *[None] * len(values))
        return self.rows.setdefault(key, [0] * (1 + len(how.summed)))


def _may_be_label(value: object) -> bool:
    """A word of ours, a number or nothing: what an outsider wrote is longer sooner or later."""
    return value is None or isinstance(value, int) or (isinstance(value, str) and len(value) <= LONGEST_LABEL)


class Gauges(NamedTuple):
    """What readiness says just now."""

    checks: Mapping[str, bool]
    facts: Mapping[str, float]
