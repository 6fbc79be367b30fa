"""One course of events, decided twice: by the packs in force and with the drafts beside them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.cli.backtesting.comparing import Side, compare, compare_tellings
from services.cli.backtesting.drafts import Protocols, make_ready
from services.cli.backtesting.findings import Findings, PastEvent
from services.cli.backtesting.telling import Telling, tell_alert
from services.cli.simulation.reading import Arrival, Script
from services.cli.simulation.running import run_script
from services.cli.simulation.world import Climbed, Told, World
from services.routing.rungs import ALTERNATE_RUNG


@dataclass(frozen=True, slots=True)
class Period:
    """The events that are compared; those before make the state that these find."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class UndecidableError(Exception):
    """An event on which deciding itself fails. Names it and the kind of error, and nothing else."""


class _Alternate(NamedTuple):
    """An agency that nobody's silence brought in."""

    event_id: str
    agency: str


class Replay:
    """Decides courses of events by both sets of packs. Courses must not share an event or a case."""

    def __init__(self, protocols: Protocols, period: Period) -> None:
        self._in_force = make_ready(protocols.in_force)
        self._drafted = make_ready(protocols.drafted)
        self._period = period

    def replay_events(self, arrivals: Sequence[Arrival]) -> Findings:
        """Events in the order in which they were decided. Raises UndecidableError."""
        findings = Findings()
        old, new = World(self._in_force), World(self._drafted)
        for arrival in arrivals:
            before, after = _take(old, arrival), _take(new, arrival)
            if self._period.holds(arrival.at):
                self._compare(before, after, findings, scenario=None)
        return findings

    def replay_scenario(self, script: Script, *, name: str) -> Findings:
        """A scenario with its acknowledgements, so that its ladders climb, too."""
        findings = Findings()
        before, after = run_script(script, self._in_force), run_script(script, self._drafted)
        for old, new in zip(_list_told(before.entries), _list_told(after.entries), strict=True):
            self._compare(old, new, findings, scenario=name)
        told = {entry.event.id: _name(entry, name) for entry in _list_told(before.entries)}
        old_alternates, new_alternates = _list_alternates(before.entries), _list_alternates(after.entries)
        for key in dict.fromkeys((*old_alternates, *new_alternates)):
            findings.alerts += compare_tellings(
                told[key.event_id],
                key.agency,
                old_alternates.get(key),
                new_alternates.get(key),
                escalation=ALTERNATE_RUNG,
            )
        return findings

    def _compare(self, before: Told, after: Told, findings: Findings, *, scenario: str | None) -> None:
        sides = Side(before, self._in_force), Side(after, self._drafted)
        compare(*sides, _name(before, scenario), findings)


def _take(world: World, arrival: Arrival) -> Told:
    try:
        told = world.take(arrival)
    except Exception as error:  # noqa: BLE001 - its text may hold a value of the case: told by its type alone
        raise UndecidableError(f"event {arrival.event.id}: {type(error).__name__}") from None
    if told is None:
        raise AssertionError("an event comes to something")
    return told


def _name(told: Told, scenario: str | None) -> PastEvent:
    return PastEvent(told.event.id, told.event.source, told.at, scenario)


def _list_told(entries: Iterable[Told | Climbed]) -> Iterator[Told]:
    return (entry for entry in entries if isinstance(entry, Told))


def _list_alternates(entries: Iterable[Told | Climbed]) -> dict[_Alternate, Telling]:
    """Rung 3. The other rungs repeat to the agency or its coordinators what its alert told."""
    return {
        _Alternate(entry.event_id, row.agency): tell_alert(row, at=entry.at)
        for entry in entries
        if isinstance(entry, Climbed)
        for row in entry.rows
        if row.escalation == ALTERNATE_RUNG
    }
