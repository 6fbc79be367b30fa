"""Statutory clocks: who holds each duty of a rule, when it is due, and whom a notice must tell of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from schemas.pack import DutySpec
from schemas.vocabulary import IDENTIFYING_GROUPS, AgencyId, Confidentiality, Reason, Role
from services.routing.deadlines import find_due
from services.routing.decision import PlannedAlert, PlannedDuty, PlannedNotice
from services.routing.matching import Hit, Settlement
from services.routing.recipients import find_recipients
from services.routing.rules import ReadyRule, Target
from services.routing.situation import Situation

NOTIFY_VICTIM: Final = "attempt to notify the victim of the disclosure"
"""The duty VN: a mandated release by a confidential provider (28 CFR 94.115(a)(4), DOMAIN 6.0 step 7)."""

_COUNTY_POLICE: Final = Target(Role.LEA_LEAD, None, in_destinations=False)


DutyKey = tuple[str, AgencyId | None, str]
"""What tells the duties of one event apart: rule, holder, and what to do."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a duty; without an agency, why nobody does."""

    agency: AgencyId | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class DutyPlan:
    """All duties of a decision: those on each agency's row, all of them, and the rules of those unheld."""

    of_agency: Mapping[AgencyId, Sequence[PlannedDuty]]
    all: tuple[PlannedDuty, ...]
    unheld: tuple[tuple[ReadyRule, Reason], ...]


def plan_duties(settlements: Sequence[Settlement], situation: Situation) -> DutyPlan:
    """The duties that matched rules create; none in a drill.

    They stand on the rows of those told. A mandated rule's duties exist even if nobody could be told, unless
    the emitter alone holds the role (DOMAIN 6.0.1 points 10 and 12a).
    """
    if situation.exercise:
        return DutyPlan({}, (), ())
    of_agency: defaultdict[AgencyId, dict[DutyKey, PlannedDuty]] = defaultdict(dict)
    everything: dict[DutyKey, PlannedDuty] = {}
    unheld: list[tuple[ReadyRule, Reason]] = []
    for rule, hit in _causes(settlements):
        for duty, holder in _rule_duties(rule, situation, hit):
            key = _key(duty)
            everything[key] = duty
            if hit is not None:
                of_agency[hit.member.id][key] = duty
            if holder.reason is not None:
                unheld.append((rule, holder.reason))
    on_rows = {agency: tuple(own.values()) for agency, own in of_agency.items()}
    return DutyPlan(on_rows, tuple(everything.values()), tuple(unheld))


def _key(duty: PlannedDuty) -> DutyKey:
    return duty.rule, duty.holder, duty.what


def _causes(settlements: Sequence[Settlement]) -> Iterator[tuple[ReadyRule, Hit | None]]:
    """What creates duties, by rule id: every hit, and every mandated rule that hit nobody but should have."""
    of_rule: dict[str, list[Settlement]] = {}
    for settlement in settlements:
        if settlement.rule.duties or settlement.rule.mandated:
            of_rule.setdefault(settlement.rule.id, []).append(settlement)
    for _, own in sorted(of_rule.items()):
        rule = own[0].rule
        hits = [hit for settlement in own for hit in settlement.hits]
        yield from ((rule, hit) for hit in hits)
        if not hits and rule.mandated and not all(settlement.only_self for settlement in own):
            yield rule, None


def _rule_duties(
    rule: ReadyRule, situation: Situation, hit: Hit | None
) -> Iterator[tuple[PlannedDuty, Holder]]:
    for spec in rule.duties:
        holder = _find_holder(spec, rule, situation, hit.member.id if hit else None)
        if holder is not None:
            yield _duty(rule, holder.agency, spec, situation), holder
    if hit is not None and _must_notify_victim(hit, situation):
        emitter = situation.emitter.id
        yield (
            PlannedDuty(rule.id, emitter, NOTIFY_VICTIM, None, rule.authority, rule.mandated),
            Holder(emitter),
        )


def _must_notify_victim(hit: Hit, situation: Situation) -> bool:
    """VN: the law made a confidential emitter's client known to somebody."""
    return (
        hit.rule.mandated
        and situation.gate is not Confidentiality.STANDARD
        and not hit.groups.isdisjoint(IDENTIFYING_GROUPS)
    )


def plan_notices(
    duties: Iterable[PlannedDuty],
    alerts: Iterable[PlannedAlert],
    settlements: Iterable[Settlement],
    situation: Situation,
) -> Iterator[PlannedNotice]:
    """One notice for every holder whose duties are on no alert that is sent to it.

    Never to an external body, which Tocsin does not contact, nor to a conflicted agency.
    """
    told = {
        _key(duty)
        for alert in alerts
        for duty in alert.duties
        if duty.holder == alert.agency and not duty.needs_review
    }
    owed: defaultdict[AgencyId, list[PlannedDuty]] = defaultdict(list)
    for duty in duties:
        if duty.holder is not None and _key(duty) not in told and _may_tell(duty.holder, situation):
            owed[duty.holder].append(duty)
    if not owed:
        return
    rules = {settlement.rule.id: settlement.rule for settlement in settlements}
    for agency in sorted(owed):
        first = min((rules[duty.rule] for duty in owed[agency]), key=lambda rule: rule.rank)
        yield PlannedNotice(
            agency=agency,
            duties=tuple(owed[agency]),
            urgency=first.urgency,
            acknowledge_by=situation.now + first.acknowledge_within,
        )


def _may_tell(holder: AgencyId, situation: Situation) -> bool:
    member = situation.directory.find_member(holder)
    return member is not None and not member.external and holder not in situation.conflicts


def _duty(rule: ReadyRule, holder: AgencyId | None, spec: DutySpec, situation: Situation) -> PlannedDuty:
    due = find_due(
        spec,
        situation.event,
        discovered_at=situation.discovered_at,
        processed_at=situation.processed_at,
    )
    return PlannedDuty(rule.id, holder, spec.what, due, rule.authority, rule.mandated)


def _find_holder(
    spec: DutySpec, rule: ReadyRule, situation: Situation, recipient: AgencyId | None
) -> Holder | None:
    """Who holds the duty; None when it is the recipient's and there is none."""
    match spec.holder:
        case "emitter":
            return Holder(situation.emitter.id)
        case "emitter_gov":
            return _find_government(rule, situation)
        case "recipient":
            return None if recipient is None else Holder(recipient)
        case _:
            assert_never(spec.holder)


def _find_government(rule: ReadyRule, situation: Situation) -> Holder:
    """The emitter if it is government, else the county's lead police (DOMAIN 6.0.1 point 6)."""
    if situation.emitter.government:
        return Holder(situation.emitter.id)
    police = find_recipients(_COUNTY_POLICE, situation.county, situation, mandated=rule.mandated)
    reachable = [member for member in police.eligible if not member.external]
    if reachable:
        return Holder(reachable[0].id)
    return Holder(None, police.reason or Reason.NO_AGENCY)
