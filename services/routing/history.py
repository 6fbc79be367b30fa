"""The case after a decision: what it told whom, so that later events and rungs can build on it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from schemas.case_event import CaseEvent
from schemas.vocabulary import (
    AgencyId,
    AlertKind,
    Confidentiality,
    CountyFips,
    EventType,
    Group,
    Outcome,
    Role,
)
from services.routing.case_state import (
    RULES,
    CaseState,
    EventKey,
    EventRecord,
    KeptDuty,
    Reliance,
    SentRow,
    Share,
)
from services.routing.consents import read_known_age
from services.routing.corrections import CLIMBING
from services.routing.decision import (
    AgencyVerdict,
    Decision,
    Directory,
    PlannedAlert,
    PlannedDuty,
    RuleConsidered,
    Verdict,
)
from services.routing.refusals import find_named_event
from services.routing.situation import find_discovered_at, find_present_groups

_TOLD = frozenset({Verdict.ALERTED, Verdict.EXTERNAL})


def remember(
    case: CaseState, event: CaseEvent, decision: Decision, directory: Directory, *, now: datetime
) -> CaseState:
    """The case as the next event finds it. Deciding again from the state before gives the same."""
    if decision.outcome is not Outcome.ROUTED:
        known = decision.case if decision.outcome is Outcome.SUPERSEDED else case
        return replace(known, conflicts=known.conflicts | decision.conflicts)
    known, named = decision.case, find_named_event(event)
    earlier = None if named is None else known.find_event(named)
    record = _record(event, decision, directory, earlier, now=now.astimezone(UTC))
    overtaken = known.overtaken
    if named is not None and earlier is None:
        overtaken |= {named}
        record = replace(record, ids=(named.id, event.id))
    return replace(
        known,
        events=(*[other for other in known.events if other is not earlier], record),
        overtaken=overtaken,
        reliances=_add_reliances(known.reliances, _find_reliances(decision)),
    )


def remember_reuse(
    case: CaseState,
    first: EventKey,
    decision: Decision,
    directory: Directory,
    *,
    county: CountyFips,
    now: datetime,
) -> CaseState:
    """The case of the first event with an id, after S-05 told of the second: its rows climb, too.

    `county` is the first event's. No duty counts from these rows, so when it was discovered is not asked.
    """
    if not decision.alerts:
        return case
    now = now.astimezone(UTC)
    emitter = directory.find_member(first.source.split(":")[3])
    record = EventRecord(
        source=first.source,
        ids=(first.id,),
        county=county,
        first_processed_at=now,
        discovered_at=now,
        emitter_role=emitter.roles[0] if emitter else Role.TF_COORDINATOR,
        exercise=any(row.exercise for row in decision.alerts),
        rows=tuple(keep_row(row, event_id=first.id, shares=(), now=now) for row in decision.alerts),
    )
    return replace(case, reuses=(*case.reuses, record))


def _record(
    event: CaseEvent,
    decision: Decision,
    directory: Directory,
    earlier: EventRecord | None,
    *,
    now: datetime,
) -> EventRecord:
    emitter, said = directory.find_member(event.agency), event.data.consent
    grants = event.event_type is EventType.CONSENT_GRANTED and said is not None
    return EventRecord(
        source=event.source,
        ids=(event.id,) if earlier is None else (*earlier.ids, event.id),
        county=event.data.county,
        first_processed_at=now if earlier is None else earlier.first_processed_at,
        discovered_at=find_discovered_at(event, earlier).astimezone(UTC),
        emitter_role=emitter.roles[0] if emitter else Role.TF_COORDINATOR,
        gate=emitter.gate if emitter else Confidentiality.STRICT,
        present=find_present_groups(event),
        safe_at_home=event.data.flags.safe_at_home,
        exercise=event.data.flags.exercise,
        age=read_known_age(event),
        grants=said.consent_id if grants and said is not None else None,
        rows=tuple(_stand(event, decision, earlier, now=now)),
        duties=tuple(keep_duty(duty) for duty in decision.duties if duty.mandated),
    )


def _stand(
    event: CaseEvent, decision: Decision, earlier: EventRecord | None, *, now: datetime
) -> Iterator[SentRow]:
    """The rows that stand after a decision: what it told, and what nobody could be told is withdrawn."""
    shares = find_shares(decision.considered)
    for row in decision.alerts:
        if row.kind in CLIMBING:
            own = shares.get(row.agency, ()) if row.cause == RULES else ()
            yield keep_row(row, event_id=event.id, shares=own, now=now)
    answered = {(row.agency, row.cause) for row in decision.alerts}
    for old in earlier.rows if earlier is not None else ():
        if (old.agency, old.cause) not in answered:
            yield old.stop()


def keep_row(row: PlannedAlert, *, event_id: str, shares: Sequence[Share], now: datetime) -> SentRow:
    """A row as later decisions need it."""
    climbs = not row.external and row.escalation == 0
    return SentRow(
        event_id=event_id,
        agency=row.agency,
        role=row.role,
        contact=row.contact,
        kind=row.kind,
        rules=row.rules,
        packs=row.packs,
        urgency=row.urgency,
        at=now,
        acknowledge_by=row.acknowledge_by,
        reason=row.reason,
        shares=tuple(shares) if climbs else (),
        duties=tuple(map(keep_duty, row.duties)),
        escalation=row.escalation,
        stopped=not climbs,
    )


def keep_duty(duty: PlannedDuty) -> KeptDuty:
    """A duty as later decisions need it."""
    return KeptDuty(duty.rule, duty.holder, duty.what, duty.due, duty.authority, duty.mandated)


def find_shares(considered: Iterable[RuleConsidered]) -> Mapping[AgencyId, Sequence[Share]]:
    """What each rule contributed to each agency's row, as the verdicts tell it."""
    shares: defaultdict[AgencyId, list[Share]] = defaultdict(list)
    for entry in considered:
        for told in entry.agencies:
            role = told.role or entry.role
            if told.verdict in _TOLD and role is not None:
                shares[told.agency].append(Share(entry.rule, entry.pack, role, entry.county, told.disclosed))
    return shares


def _find_reliances(decision: Decision) -> Iterator[Reliance]:
    """Consents without which somebody would have seen less: no other rule gave the group for nothing."""
    verdicts: defaultdict[AgencyId, list[AgencyVerdict]] = defaultdict(list)
    for entry in decision.considered:
        for told in entry.agencies:
            if told.verdict in _TOLD:
                verdicts[told.agency].append(told)
    if not any(told.consents for each in verdicts.values() for told in each):
        return
    for row in decision.alerts:
        if row.cause == RULES and row.kind is not AlertKind.CANCEL:
            yield from find_reliances(row.agency, row.role, verdicts[row.agency])


def find_reliances(agency: AgencyId, role: Role, verdicts: Iterable[AgencyVerdict]) -> Iterator[Reliance]:
    """What one row of several rules relies on: any consent that covered a group under any of them."""
    needed: dict[Group, frozenset[str]] = {}
    free: set[Group] = set()
    for told in verdicts:
        free |= told.disclosed - told.consents.keys()
        for group, consents in told.consents.items():
            needed[group] = needed.get(group, frozenset()) | consents
    for consents in sorted({c for group, c in needed.items() if group not in free}, key=sorted):
        yield Reliance(agency, role, consents)


def _add_reliances(known: tuple[Reliance, ...], new: Iterable[Reliance]) -> tuple[Reliance, ...]:
    """Each once, the latest last."""
    added = tuple(dict.fromkeys(new))
    return (*[old for old in known if old not in added], *added) if added else known


def add_reliances(case: CaseState, new: Iterable[Reliance]) -> CaseState:
    """The case once more somebody saw something under its consents."""
    return replace(case, reliances=_add_reliances(case.reliances, new))


def acknowledge(case: CaseState, agency: AgencyId, key: EventKey) -> CaseState:
    """Somebody took responsibility: every ladder of the event that the agency was a recipient of stops.

    A rung to the coordinator makes it no recipient (DOMAIN 6.0.1 point 25), and a conflicted agency has no
    say in the case any more.
    """
    if agency in case.conflicts:
        return case
    for record in tuple(case.records()):
        if record.source == key.source and key.id in record.ids:
            rows = tuple(_acknowledge(row, agency, key.id) for row in record.rows)
            declined, taken = record.declined - {agency}, record.taken | {agency}
            after = replace(record, rows=rows, declined=declined, taken=taken)
            if after != record:
                case = case.with_record(record, after)
    return case


def decline(case: CaseState, agency: AgencyId, key: EventKey) -> CaseState:
    """Somebody there has a conflict of interest: no rung and no reminder of the event is for that agency.

    What a later event tells is another alert. Who finds that the agency can act after all acknowledges; where
    a colleague has, be it of another rung, that holds.
    """
    for record in tuple(case.records()):
        if (record.source, record.ids[-1]) == key and agency not in record.declined | record.taken:
            case = case.with_record(record, replace(record, declined=record.declined | {agency}))
    return case


def _acknowledge(row: SentRow, agency: AgencyId, event_id: str) -> SentRow:
    concerns = row.event_id == event_id and (row.agency == agency or agency in row.alternates)
    return row.stop() if concerns else row
