"""Runs a scenario through the pure core on a virtual clock, with no server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from schemas.case_event import CaseEvent, FieldError
from schemas.scenario import AlertRow, DutyRow, OutcomeRow, SimulationResult
from schemas.vocabulary import AlertKind, Outcome
from services.cli.simulation.reading import Acknowledgement, Arrival, Script
from services.routing.conditions import ConditionError
from services.routing.decide import decide, quarantine, refuse_reused_id
from services.routing.decision import CaseState, Decision, PlannedAlert
from services.routing.refusals import find_conflicts
from services.routing.rules import PackSet

ZONE: Final = ZoneInfo("America/Los_Angeles")
"""Results are told in the local time of the sample task force."""

_CLIMBING: Final = frozenset({AlertKind.ALERT, AlertKind.UPDATE})


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one event; a duplicate comes to no decision."""

    at: datetime
    event: CaseEvent
    outcome: Outcome
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a scenario came to. `late` is when the first alert stayed unacknowledged, if one did."""

    told: tuple[Told, ...]
    result: SimulationResult
    late: datetime | None


@dataclass(frozen=True, slots=True)
class _First:
    """The first event of a (source, id): what later ones are compared with."""

    content: bytes
    event: CaseEvent


class _World:
    """What earlier events left behind: their contents, and what their cases know."""

    def __init__(self, packs: PackSet) -> None:
        self._packs = packs
        self._first: dict[tuple[str, str], _First] = {}
        self._cases: dict[str, CaseState] = {}

    def take(self, arrival: Arrival) -> Told:
        event = arrival.event
        content = _content(event, arrival.data)
        first = self._first.setdefault((event.source, event.id), _First(content, event))
        if first.event is event:
            decision = self._decide(arrival)
        elif first.content == content:
            return Told(arrival.at, event, Outcome.DUPLICATE, None)
        else:
            decision = self._refuse_reuse(arrival, first)
        case = self._case(event)
        self._cases[event.subject] = CaseState(case.conflicts | decision.conflicts)
        return Told(arrival.at, event, decision.outcome, decision)

    def _case(self, event: CaseEvent) -> CaseState:
        return self._cases.get(event.subject, CaseState.empty())

    def _decide(self, arrival: Arrival) -> Decision:
        event, directory = arrival.event, arrival.directory
        try:
            return decide(event, self._case(event), directory, self._packs, arrival.at)
        except ConditionError as error:
            return quarantine(
                county=event.data.county,
                named_agencies=self._case(event).conflicts | find_conflicts(event, directory),
                directory=directory,
                now=arrival.at,
                errors=[FieldError("", str(error))],
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


def run_script(script: Script, packs: PackSet) -> Run:
    """Run every step in order."""
    world = _World(packs)
    told = tuple(world.take(step) for step in script.steps if isinstance(step, Arrival))
    acknowledged = {
        (step.event, step.agency): step.at for step in script.steps if isinstance(step, Acknowledgement)
    }
    rows = sorted((row for entry in told for row in _rows(entry)), key=_row_order)
    result = SimulationResult(
        outcomes=[
            OutcomeRow(at=_local(entry.at), event=entry.event.id, outcome=entry.outcome) for entry in told
        ],
        alerts=rows,
    )
    return Run(told, result, _find_late(rows, acknowledged, script.until))


def _content(event: CaseEvent, data: Mapping[str, Any]) -> bytes:
    """What makes two events of one id the same: type, subject, time and data (DOMAIN 6.0.1 point 26)."""
    content = [event.type, event.subject, event.time.astimezone(UTC).isoformat(), data]
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _rows(told: Told) -> Iterator[AlertRow]:
    for alert in told.decision.alerts if told.decision else ():
        yield _row(told, alert)


def _row(told: Told, alert: PlannedAlert) -> AlertRow:
    return AlertRow(
        at=_local(told.at),
        event=told.event.id,
        agency=alert.agency,
        role=alert.role,
        contact=alert.contact,
        kind=alert.kind,
        rules=list(alert.rules),
        urgency=alert.urgency,
        acknowledge_by=_local(alert.acknowledge_by),
        escalation=alert.escalation,
        reason=alert.reason,
        disclosed=sorted(alert.disclosed),
        withheld=sorted(alert.withheld),
        duties=[
            DutyRow(rule=duty.rule, holder=duty.holder, what=duty.what, due=duty.due and _local(duty.due))
            for duty in alert.duties
        ],
    )


def _row_order(row: AlertRow) -> tuple[datetime, str, int, str]:
    return row.at, row.event, row.escalation, row.agency


def _local(at: datetime) -> datetime:
    return at.astimezone(ZONE)


def _find_late(
    rows: list[AlertRow], acknowledged: Mapping[tuple[str, str], datetime], until: datetime
) -> datetime | None:
    """When an alert first went unacknowledged within the run: its ladder would begin there."""
    late = [
        row.acknowledge_by
        for row in rows
        if row.kind in _CLIMBING
        and row.contact is not None
        and row.acknowledge_by <= until
        and not _in_time(row, acknowledged)
    ]
    return min(late, default=None)


def _in_time(row: AlertRow, acknowledged: Mapping[tuple[str, str], datetime]) -> bool:
    at = acknowledged.get((row.event, row.agency))
    return at is not None and at <= row.acknowledge_by
