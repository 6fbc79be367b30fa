"""What a simulated world knows: contents of events, the state of each case, the directory in force."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import orjson

from schemas.case_event import CaseEvent, FieldError
from schemas.vocabulary import Outcome
from services.cli.simulation.reading import Acknowledgement, Arrival, DirectoryChange
from services.routing.case_state import CaseState, EventKey, RowKey
from services.routing.conditions import ConditionError
from services.routing.corrections import CLIMBING
from services.routing.decide import decide, quarantine, refuse_reused_id
from services.routing.decision import Decision, Directory, PlannedAlert
from services.routing.escalation import Climb, next_rung
from services.routing.history import acknowledge, remember, remember_reuse
from services.routing.refusals import find_conflicts, find_named_event, misnamed_event
from services.routing.rules import PackSet


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one event; a duplicate comes to no decision."""

    at: datetime
    event: CaseEvent
    outcome: Outcome
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Climbed:
    """A rung of an alert that nobody acknowledged; `exhausted` when it was the last."""

    at: datetime
    event_id: str
    rows: tuple[PlannedAlert, ...]
    exhausted: bool


class _Due(NamedTuple):
    """When a row climbs; `order` keeps rows of one instant in the order they were told."""

    at: datetime
    order: int
    case_ref: str
    row: RowKey


@dataclass(frozen=True, slots=True)
class _First:
    """The first event of a (source, id): what later ones are compared with."""

    content: bytes
    event: CaseEvent


class World:
    """Takes the steps of a scenario in time order, and runs the rungs that fall between them."""

    def __init__(self, packs: PackSet) -> None:
        self._packs = packs
        self._directory = Directory([])
        self._first: dict[EventKey, _First] = {}
        self._cases: dict[str, CaseState] = {}
        self._due: list[_Due] = []
        self._order = count()

    def take(self, step: Arrival | Acknowledgement | DirectoryChange) -> Told | None:
        match step:
            case Arrival():
                self._directory = step.directory
                return self._take_event(step)
            case Acknowledgement():
                self._acknowledge(step)
            case DirectoryChange():
                self._directory = step.directory
        return None

    def climb(self, before: datetime, *, inclusive: bool) -> Iterator[Climbed]:
        """The rungs due before an instant, or up to it."""
        while self._due and (self._due[0].at < before or (inclusive and self._due[0].at == before)):
            due = heapq.heappop(self._due)
            climb = self._climb(due)
            if climb.next_at is not None:
                heapq.heappush(self._due, due._replace(at=climb.next_at, order=next(self._order)))
            if climb.rows or climb.exhausted:
                yield Climbed(due.at, due.row.event_id, climb.rows, climb.exhausted)

    def _climb(self, due: _Due) -> Climb:
        case = self._cases[due.case_ref]
        climb = next_rung(due.row, case, self._directory, self._packs, due.at)
        self._cases[due.case_ref] = climb.case
        return climb

    def _take_event(self, arrival: Arrival) -> Told:
        event = arrival.event
        content = _content(event, arrival.data)
        first = self._first.setdefault(EventKey(event.source, event.id), _First(content, event))
        if first.event is not event and first.content == content:
            return Told(arrival.at, event, Outcome.DUPLICATE, None)
        if first.event is event:
            decision = self._decide(arrival)
            case_ref = event.subject
            self._cases[case_ref] = remember(
                self._case(event), event, decision, arrival.directory, now=arrival.at
            )
        else:
            decision = self._refuse_reuse(arrival, first)
            case_ref = first.event.subject
            self._remember_reuse(arrival, first, decision)
        self._watch(case_ref, first.event, decision, arrival.at)
        return Told(arrival.at, event, decision.outcome, decision)

    def _case(self, event: CaseEvent) -> CaseState:
        return self._cases.get(event.subject, CaseState.empty())

    def _decide(self, arrival: Arrival) -> Decision:
        event = arrival.event
        named = find_named_event(event)
        other = None if named is None else self._first.get(named)
        if other is not None and other.event.subject != event.subject:
            return self._quarantine(arrival, misnamed_event(event))
        try:
            return decide(event, self._case(event), arrival.directory, self._packs, arrival.at)
        except ConditionError as error:
            return self._quarantine(arrival, FieldError("", str(error)))

    def _quarantine(self, arrival: Arrival, error: FieldError) -> Decision:
        event = arrival.event
        return quarantine(
            county=event.data.county,
            named_agencies=self._case(event).conflicts | find_conflicts(event, arrival.directory),
            directory=arrival.directory,
            now=arrival.at,
            errors=[error],
            exercise=event.data.flags.exercise,
        )

    def _refuse_reuse(self, arrival: Arrival, first: _First) -> Decision:
        event, directory = arrival.event, arrival.directory
        known = self._case(event).conflicts | self._case(first.event).conflicts
        return refuse_reused_id(
            county=first.event.data.county,
            named_agencies=known | find_conflicts(event, directory),
            directory=directory,
            now=arrival.at,
            exercise=event.data.flags.exercise,
        )

    def _remember_reuse(self, arrival: Arrival, first: _First, decision: Decision) -> None:
        event, directory, at = arrival.event, arrival.directory, arrival.at
        self._cases[event.subject] = remember(self._case(event), event, decision, directory, now=at)
        self._cases[first.event.subject] = remember_reuse(
            self._case(first.event),
            EventKey(first.event.source, first.event.id),
            decision,
            directory,
            county=first.event.data.county,
            now=at,
        )

    def _watch(self, case_ref: str, event: CaseEvent, decision: Decision, at: datetime) -> None:
        """Every row that climbs does so first when its time to acknowledge has passed."""
        for row in decision.alerts:
            if row.kind in CLIMBING and not row.external:
                key = RowKey(event.source, event.id, row.agency, row.cause, at.astimezone(UTC))
                heapq.heappush(self._due, _Due(row.acknowledge_by, next(self._order), case_ref, key))

    def _acknowledge(self, step: Acknowledgement) -> None:
        """A scenario names the event by its id alone; whoever sent it is meant."""
        for key, first in self._first.items():
            if key.id == step.event:
                case = self._case(first.event)
                self._cases[first.event.subject] = acknowledge(case, step.agency, key)


def _content(event: CaseEvent, data: Mapping[str, Any]) -> bytes:
    """What makes two events of one id the same: type, subject, time and data (DOMAIN 6.0.1 point 26)."""
    content = [event.type, event.subject, event.time.astimezone(UTC).isoformat(), data]
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
