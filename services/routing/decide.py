"""The decision: one event in, every alert, duty and refusal out. Pure: no I/O, no clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.case_event import CaseEvent, FieldError
from schemas.vocabulary import (
    AgencyId,
    AlertKind,
    CountyFips,
    EventType,
    Group,
    Outcome,
    Reason,
    Role,
    Rung,
    Urgency,
)
from services.routing.age import read_age
from services.routing.case_state import CaseState, EventKey, EventRecord
from services.routing.consents import CASE_ZONE, register_consents
from services.routing.corrections import find_reviews, revise
from services.routing.decision import Decision, Directory, PlannedAlert
from services.routing.duties import DutyPlan, plan_duties, plan_notices
from services.routing.matching import Settlement, settle_all
from services.routing.refusals import find_conflicts, find_named_event, find_refusals
from services.routing.rows import Untold, consent_rows, coordinator_rows, find_undeliverable, merge_hits
from services.routing.rules import Edition, PackSet
from services.routing.situation import Situation, build_situation
from services.routing.system_rules import SYSTEM_TIMES

_OF_CONSENT: Final = frozenset({EventType.CONSENT_GRANTED, EventType.CONSENT_REVOKED})
_NOTHING_REVOKED: Final[frozenset[str]] = frozenset()


def decide(
    event: CaseEvent, case: CaseState, directory: Directory, packs: PackSet, now: datetime
) -> Decision:
    """Conclude from one event who is told what, and why not.

    `case` is what earlier events left behind; `history.remember` makes the next one. Duplicates and reused
    ids are the caller's to find, since they cross cases, and so is a correction of another case's event.
    Raises ConditionError when the engine of the conditions fails, OverflowError on times beyond the calendar:
    nothing may be concluded then.
    """
    named = find_named_event(event)
    earlier = None if named is None else case.find_event(named)
    conflicts = find_conflicts(event, directory)
    emitter = directory.find_member(event.agency)
    refusals = find_refusals(event, emitter, named=named, earlier=earlier, case=case)
    if emitter is None or refusals:
        return quarantine(
            county=event.data.county,
            named_agencies=conflicts | case.conflicts,
            directory=directory,
            now=now,
            errors=refusals,
            exercise=event.data.flags.exercise,
        )
    superseded = bool(case.overtaken) and EventKey(event.source, event.id) in case.overtaken
    known, revoked = case, _NOTHING_REVOKED
    if conflicts or earlier is not None or event.event_type in _OF_CONSENT:
        known, revoked = _register(event, case, earlier, conflicts=conflicts, superseded=superseded, now=now)
    if superseded:
        return Decision(outcome=Outcome.SUPERSEDED, conflicts=conflicts, case=known)
    situation = build_situation(
        event, emitter, case=known, earlier=earlier, revoked=revoked, directory=directory, now=now
    )
    decision = _decide_by(packs.edition(situation.now, event.data.county), situation, earlier)
    return replace(decision, conflicts=conflicts) if conflicts else decision


def _register(
    event: CaseEvent,
    case: CaseState,
    earlier: EventRecord | None,
    *,
    conflicts: frozenset[AgencyId],
    superseded: bool,
    now: datetime,
) -> tuple[CaseState, frozenset[str]]:
    """What the case knows of conflicts and consents once the event has spoken (DOMAIN 6.0 step 2)."""
    if conflicts - case.conflicts:
        case = replace(case, conflicts=case.conflicts | conflicts)
    return register_consents(case, event, earlier, superseded=superseded, now=now.astimezone(UTC))


def _decide_by(edition: Edition, situation: Situation, earlier: EventRecord | None) -> Decision:
    settlements, not_matched, sheets = settle_all(situation, edition)
    duties = plan_duties(settlements, situation)
    untold = [
        *[(settlement.rule, settlement.reason) for settlement in settlements if settlement.reason],
        *duties.unheld,
    ]
    rows = _plan_rows(settlements, duties, untold, situation)
    if earlier is not None:
        rows = [*revise(rows, earlier, situation)]
    rows.sort(key=_row_order)
    return Decision(
        outcome=Outcome.ROUTED,
        alerts=tuple(rows),
        notices=tuple(plan_notices(duties.all, rows, settlements, situation)),
        considered=(*[settlement.considered for settlement in settlements], *not_matched),
        packs=edition.labels,
        pack_hashes=edition.hashes,
        sheets=tuple(sheets),
        duties=duties.all,
        undeliverable=find_undeliverable(untold, situation),
        case=situation.case,
        reviews=() if earlier is None else tuple(find_reviews(earlier, duties.all)),
    )


def _plan_rows(
    settlements: Sequence[Settlement], duties: DutyPlan, untold: Untold, situation: Situation
) -> list[PlannedAlert]:
    return [
        *merge_hits(settlements, duties.of_agency, situation),
        *coordinator_rows(untold, situation),
        *consent_rows([settlement.rule for settlement in settlements if settlement.skipped], situation),
    ]


def _row_order(row: PlannedAlert) -> tuple[str, str]:
    return row.agency, row.cause


def quarantine(
    *,
    county: CountyFips | None,
    named_agencies: Collection[AgencyId],
    directory: Directory,
    now: datetime,
    errors: Sequence[FieldError],
    exercise: bool = False,
) -> Decision:
    """An event nobody may act on: its coordinators are told, but for agencies it names as conflicted."""
    call = _Call((), AlertKind.ERROR, Urgency.IMMEDIATE, Reason.QUARANTINED, county, exercise=exercise)
    return _refuse(call, named_agencies=named_agencies, directory=directory, now=now, errors=errors)


def refuse_reused_id(
    *,
    county: CountyFips | None,
    named_agencies: Collection[AgencyId],
    directory: Directory,
    now: datetime,
    exercise: bool = False,
) -> Decision:
    """The (source, id) of an earlier event with other content: quarantined, with S-05 to the coordinators.

    `county` is that of the first event with the id (DOMAIN 6.0.1 point 26).
    """
    call = _Call(("S-05",), AlertKind.ALERT, Urgency.URGENT, Reason.ID_REUSE, county, exercise=exercise)
    errors = [FieldError("/id", "an earlier event of this source has the same id and other content")]
    return _refuse(call, named_agencies=named_agencies, directory=directory, now=now, errors=errors)


def disclosed_values(
    event: CaseEvent,
    raw_data: Mapping[str, Any],
    groups: frozenset[Group],
    *,
    now: datetime,
    zone: ZoneInfo = CASE_ZONE,
) -> dict[Group, Any]:
    """The values of the disclosed groups as they were sent; `age` is derived: `{band, presumed_minor}`."""
    values: dict[Group, Any] = {
        group: raw_data[group.value] for group in sorted(groups) if group is not Group.AGE
    }
    if Group.AGE in groups:
        age = read_age(event.data, now.astimezone(zone).date())
        values[Group.AGE] = {"band": age.band.value, "presumed_minor": age.presumed_minor}
    return values


@dataclass(frozen=True, slots=True)
class _Call:
    """What coordinators are told of an event that was refused."""

    rules: tuple[str, ...]
    kind: AlertKind
    urgency: Urgency
    reason: Reason
    county: CountyFips | None
    exercise: bool


def _refuse(
    call: _Call,
    *,
    named_agencies: Collection[AgencyId],
    directory: Directory,
    now: datetime,
    errors: Sequence[FieldError],
) -> Decision:
    told = directory.coordinators(call.county, excluding=named_agencies)
    return Decision(
        outcome=Outcome.QUARANTINED,
        alerts=tuple(_refusal_row(call, member.id, now.astimezone(UTC)) for member in told),
        errors=tuple(errors),
        conflicts=frozenset(named_agencies),
        undeliverable=None if told else call.reason,
    )


def _refusal_row(call: _Call, coordinator: AgencyId, now: datetime) -> PlannedAlert:
    return PlannedAlert(
        agency=coordinator,
        role=Role.TF_COORDINATOR,
        contact=Rung.PRIMARY,
        kind=call.kind,
        rules=call.rules,
        packs=(),
        urgency=call.urgency,
        acknowledge_by=now + SYSTEM_TIMES.time_for(call.urgency),
        reason=call.reason,
        disclosed=frozenset(),
        withheld=frozenset(),
        duties=(),
        emitter_role=None,
        county=call.county,
        exercise=call.exercise,
    )
