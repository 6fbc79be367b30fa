"""Runs a scenario through the pure core on a virtual clock, with no server."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from schemas.scenario import AlertRow, DutyRow, OutcomeRow, SimulationResult
from services.cli.simulation.reading import Script
from services.cli.simulation.world import Climbed, Told, World
from services.routing.decision import PlannedAlert, PlannedDuty
from services.routing.rules import PackSet

ZONE: Final = ZoneInfo("America/Los_Angeles")
"""Results are told in the local time of the sample task force."""


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a scenario came to, in time order."""

    entries: tuple[Told | Climbed, ...]
    result: SimulationResult


def run_script(script: Script, packs: PackSet) -> Run:
    """Run every step in order, and the clock on to the end; steps come before rungs of their instant."""
    entries = tuple(_run(script, packs))
    result = SimulationResult(
        outcomes=[
            OutcomeRow(at=_local(entry.at), event=entry.event.id, outcome=entry.outcome)
            for entry in entries
            if isinstance(entry, Told)
        ],
        alerts=sorted((row for entry in entries for row in _rows(entry)), key=_row_order),
    )
    return Run(entries, result)


def _run(script: Script, packs: PackSet) -> Iterator[Told | Climbed]:
    world = World(packs)
    for step in script.steps:
        yield from world.climb(step.at, inclusive=False)
        told = world.take(step)
        if told is not None:
            yield told
    yield from world.climb(script.until, inclusive=True)


def _rows(entry: Told | Climbed) -> Iterator[AlertRow]:
    if isinstance(entry, Climbed):
        yield from (_row(entry.at, entry.event_id, row) for row in entry.rows)
    elif entry.decision is not None:
        yield from (_row(entry.at, entry.event.id, row) for row in entry.decision.alerts)


def _row(at: datetime, event_id: str, alert: PlannedAlert) -> AlertRow:
    return AlertRow(
        at=_local(at),
        event=event_id,
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
        duties=[_duty(duty) for duty in alert.duties],
    )


def _duty(duty: PlannedDuty) -> DutyRow:
    due = None if duty.due is None else _local(duty.due)
    return DutyRow(
        rule=duty.rule,
        holder=duty.holder,
        what=duty.what,
        due="needs_review" if duty.needs_review else due,
    )


def _row_order(row: AlertRow) -> tuple[datetime, str, int, str]:
    return row.at, row.event, row.escalation, row.agency


def _local(at: datetime) -> datetime:
    return at.astimezone(ZONE)
