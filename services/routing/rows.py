"""Rows of a decision: one merged alert per agency, and those that tell of a problem (S-04, S-05, S-06)."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from schemas.vocabulary import AgencyId, AlertKind, Reason, Role, Rung, Urgency
from services.routing.decision import Member, PlannedAlert, PlannedDuty
from services.routing.matching import Hit, Settlement
from services.routing.recipients import first_reason
from services.routing.rules import ReadyRule
from services.routing.situation import Situation
from services.routing.system_rules import SYSTEM

Untold = Sequence[tuple[ReadyRule, Reason]]
"""Rules that found nobody to tell, or nobody to hold a duty, and why."""


_FEW: Final = 2
"""Fewer words than this need no sorting."""


class _Problem(NamedTuple):
    """Why somebody must be told that a rule did not do its work, and how fast."""

    rule: ReadyRule
    reason: Reason
    urgency: Urgency


def merge_hits(
    settlements: Sequence[Settlement],
    duties: Mapping[AgencyId, Sequence[PlannedDuty]],
    situation: Situation,
) -> list[PlannedAlert]:
    """One row per agency: union of groups, highest urgency, all duties (DOMAIN 6.0 step 10)."""
    of_agency: dict[AgencyId, list[Hit]] = {}
    for settlement in settlements:
        for hit in settlement.hits:
            of_agency.setdefault(hit.member.id, []).append(hit)
    return [_merge(hits, duties.get(agency, ()), situation) for agency, hits in of_agency.items()]


def coordinator_rows(untold: Untold, situation: Situation) -> list[PlannedAlert]:
    """S-04: one row per event and coordinator, with the first reason and no duties."""
    if not untold:
        return []
    problems = [_as_problem(rule, reason) for rule, reason in untold]
    return [
        _problem_row("S-04", problems, situation, member=member, role=Role.TF_COORDINATOR)
        for member in _coordinators(situation)
    ]


def find_undeliverable(untold: Untold, situation: Situation) -> Reason | None:
    """What no coordinator can be told of, because there is none."""
    if untold and not _coordinators(situation):
        return first_reason(reason for _, reason in untold)
    return None


def consent_rows(skipped: Sequence[ReadyRule], situation: Situation) -> list[PlannedAlert]:
    """S-06: the emitter learns that somebody was not told for want of consent; one row per event."""
    emitter = situation.emitter
    if not skipped or emitter.id in situation.conflicts:
        return []
    problems = [_Problem(rule, Reason.CONSENT_REQUIRED, rule.urgency) for rule in skipped]
    return [_problem_row("S-06", problems, situation, member=emitter, role=emitter.roles[0])]


def _as_problem(rule: ReadyRule, reason: Reason) -> _Problem:
    """What the law orders cannot wait, whatever the rule says."""
    return _Problem(rule, reason, Urgency.IMMEDIATE if rule.mandated else rule.urgency)


def _coordinators(situation: Situation) -> tuple[Member, ...]:
    return situation.directory.coordinators(situation.county, excluding=situation.conflicts)


def _merge(hits: Sequence[Hit], duties: Sequence[PlannedDuty], situation: Situation) -> PlannedAlert:
    first, rules, disclosed = hits[0], [hits[0].rule], hits[0].groups
    if len(hits) > 1:
        first = min(hits, key=lambda hit: hit.rule.rank)
        rules = [hit.rule for hit in hits]
        disclosed = disclosed.union(*(hit.groups for hit in hits))
    urgency = first.rule.urgency
    times = [rule.acknowledge_within for rule in rules if rule.urgency is urgency]
    return PlannedAlert(
        agency=first.member.id,
        role=first.role,
        contact=None if first.member.external else Rung.PRIMARY,
        kind=_kind(rules),
        rules=_unique([rule.id for rule in rules]),
        packs=_packs(rules),
        urgency=urgency,
        acknowledge_by=situation.now + min(times),
        reason=None,
        disclosed=disclosed,
        withheld=situation.present - disclosed,
        duties=tuple(duties),
        emitter_role=situation.emitter_role,
        county=situation.county,
        exercise=situation.exercise,
    )


def _problem_row(
    system_rule: str, problems: Sequence[_Problem], situation: Situation, *, member: Member, role: Role
) -> PlannedAlert:
    urgency = max((problem.urgency for problem in problems), key=lambda urgency: urgency.rank)
    times = [problem.rule.urgency_times[urgency] for problem in problems if problem.urgency is urgency]
    reason = first_reason(problem.reason for problem in problems)
    return PlannedAlert(
        agency=member.id,
        role=role,
        contact=None if member.external else Rung.PRIMARY,
        kind=AlertKind.ERROR if reason is Reason.CONSENT_REQUIRED else AlertKind.ALERT,
        rules=(system_rule,),
        packs=_packs([problem.rule for problem in problems]),
        urgency=urgency,
        acknowledge_by=situation.now + min(times),
        reason=reason,
        disclosed=frozenset(),
        withheld=situation.present,
        duties=(),
        emitter_role=situation.emitter_role,
        county=situation.county,
        exercise=situation.exercise,
    )


def _kind(rules: Sequence[ReadyRule]) -> AlertKind:
    """What tells only of a revoked consent is an update of what was seen by it (F-07)."""
    told_of_revocation = rules[0].to_holders and all(rule.to_holders for rule in rules)
    return AlertKind.UPDATE if told_of_revocation else AlertKind.ALERT


def _packs(rules: Sequence[ReadyRule]) -> tuple[str, ...]:
    """The versions that spoke; the system rules belong to none."""
    return _unique([rule.pack for rule in rules if rule.pack != SYSTEM])


def _unique(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(words) if len(words) < _FEW else tuple(sorted(set(words)))
