"""The decision: one event in, every alert, duty and refusal out. Pure: no I/O, no clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.case_event import CaseEvent, FieldError
from schemas.pack import Urgencies
from schemas.vocabulary import AgencyId, AlertKind, CountyFips, Group, Outcome, Reason, Role, Rung, Urgency
from services.routing.age import read_age
from services.routing.decision import CaseState, Decision, Directory, PlannedAlert, RuleConsidered
from services.routing.duties import plan_duties, plan_notices
from services.routing.matching import Settlement, match_rules, settle
from services.routing.refusals import find_conflicts, find_refusals
from services.routing.rows import consent_rows, coordinator_rows, find_undeliverable, merge_hits
from services.routing.rules import Edition, PackSet
from services.routing.situation import Situation, build_situation

DEFAULT_ZONE: Final = ZoneInfo("America/Los_Angeles")
_SYSTEM_TIMES: Final = Urgencies()
"""How soon a refusal is to be acknowledged: it belongs to no pack."""


def decide(
    event: CaseEvent, case: CaseState, directory: Directory, packs: PackSet, now: datetime
) -> Decision:
    """Conclude from one event who is told what, and why not.

    An event that corrects, retracts or names a conflict is quarantined, because those are not honoured yet;
    the agencies it names are in `Decision.conflicts` and told nothing. Raises ConditionError when the engine
    of the conditions fails, OverflowError on times beyond the calendar: nothing may be concluded then.
    """
    conflicts = find_conflicts(event, directory)
    emitter = directory.find_member(event.agency)
    refusals = find_refusals(event, emitter, conflicts)
    if emitter is None or refusals:
        return quarantine(
            county=event.data.county,
            named_agencies=conflicts | case.conflicts,
            directory=directory,
            now=now,
            errors=refusals,
            exercise=event.data.flags.exercise,
        )
    situation = build_situation(event, emitter, case=case, directory=directory, now=now)
    return _decide_by(packs.edition(situation.now, event.data.county), situation)


def _decide_by(edition: Edition, situation: Situation) -> Decision:
    settlements: list[Settlement] = []
    not_matched: list[RuleConsidered] = []
    for rule, matched in match_rules(situation, edition):
        if matched:
            settlements += settle(rule, situation)
        else:
            not_matched.append(rule.not_matched)
    duties = plan_duties(settlements, situation)
    untold = [
        *[(settlement.rule, settlement.reason) for settlement in settlements if settlement.reason],
        *duties.unheld,
    ]
    rows = [
        *merge_hits(settlements, duties.of_agency, situation),
        *coordinator_rows(untold, situation),
        *consent_rows([settlement.rule for settlement in settlements if settlement.skipped], situation),
    ]
    rows.sort(key=_row_order)
    return Decision(
        outcome=Outcome.ROUTED,
        alerts=tuple(rows),
        notices=tuple(plan_notices(duties.all, rows, settlements, situation)),
        considered=(*[settlement.considered for settlement in settlements], *not_matched),
        packs=edition.labels,
        duties=duties.all,
        undeliverable=find_undeliverable(untold, situation),
    )


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
    zone: ZoneInfo = DEFAULT_ZONE,
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
        acknowledge_by=now + _SYSTEM_TIMES.time_for(call.urgency),
        reason=call.reason,
        disclosed=frozenset(),
        withheld=frozenset(),
        duties=(),
        emitter_role=None,
        county=call.county,
        exercise=call.exercise,
    )
