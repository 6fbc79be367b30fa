"""Rows of a decision: one merged alert per agency, and those that tell of a problem (S-04, S-05, S-06)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from schemas.vocabulary import AgencyId, AlertKind, Group, Reason, Role, Rung, Urgency
from services.routing.consents import find_lapses
from services.routing.decision import Member, PlannedAlert, PlannedDuty
from services.routing.matching import Hit, Settlement
from services.routing.recipients import first_reason
from services.routing.rules import ReadyRule
from services.routing.situation import Situation
from services.routing.system_rules import SYSTEM

Untold = Sequence[tuple[ReadyRule, Reason]]
"""Rules that found nobody to tell, or nobody to hold a duty, and why."""


_NEVER: Final[Mapping[Group, datetime]] = {}


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
    told = _alone(hits[0]) if len(hits) == 1 else _together(hits)
    return PlannedAlert(
        agency=told.first.member.id,
        role=told.first.role,
        contact=None if told.first.member.external else Rung.PRIMARY,
        kind=AlertKind.UPDATE if told.of_revocation else AlertKind.ALERT,
        rules=told.rules,
        packs=told.packs,
        urgency=told.first.rule.urgency,
        acknowledge_by=situation.now + told.within,
        reason=None,
        disclosed=told.groups,
        withheld=situation.present - told.groups,
        duties=tuple(duties),
        emitter_role=situation.emitter_role,
        county=situation.county,
        exercise=situation.exercise,
        mandated=told.mandated,
        by_agreement=told.by_agreement,
        until=find_lapses([(hit.groups, hit.consents) for hit in hits], situation.consents)
        if situation.consents
        else _NEVER,
    )


class _Merged(NamedTuple):
    """What several rules tell one agency together. `of_revocation` when it is only that a consent ended.

    `by_agreement` are groups of a mandated row that no law orders.
    """

    first: Hit
    rules: tuple[str, ...]
    packs: tuple[str, ...]
    groups: frozenset[Group]
    within: timedelta
    of_revocation: bool
    mandated: bool
    by_agreement: frozenset[Group] = frozenset()


def _alone(hit: Hit) -> _Merged:
    """Most rows are of one rule, and need no merging."""
    rule = hit.rule
    packs = () if rule.pack == SYSTEM else (rule.pack,)
    return _Merged(
        hit, (rule.id,), packs, hit.groups, rule.acknowledge_within, rule.to_holders, rule.mandated
    )


def _together(hits: Sequence[Hit]) -> _Merged:
    """Union of groups, the first rule by urgency, and the shortest time of that urgency (step 10)."""
    first = min(hits, key=lambda hit: hit.rule.rank)
    rules = [hit.rule for hit in hits]
    mandated, by_agreement = find_basis((hit.rule.mandated, hit.groups) for hit in hits)
    return _Merged(
        first=first,
        rules=_unique(rule.id for rule in rules),
        packs=_packs(rules),
        groups=hits[0].groups.union(*(hit.groups for hit in hits)),
        within=min(rule.acknowledge_within for rule in rules if rule.urgency is first.rule.urgency),
        of_revocation=all(rule.to_holders for rule in rules),
        mandated=mandated,
        by_agreement=by_agreement,
    )


def find_basis(told: Iterable[tuple[bool, frozenset[Group]]]) -> tuple[bool, frozenset[Group]]:
    """Of rules that are mandated or not, with their groups: whether any is, and what the others add to it."""
    groups: dict[bool, frozenset[Group]] = {}
    for mandated, own in told:
        groups[mandated] = groups.get(mandated, frozenset()) | own
    if True not in groups:
        return False, frozenset()
    return True, groups.get(False, frozenset()) - groups[True]


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
        packs=_packs(problem.rule for problem in problems),
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


def _packs(rules: Iterable[ReadyRule]) -> tuple[str, ...]:
    """The versions that spoke; the system rules belong to none."""
    return _unique(rule.pack for rule in rules if rule.pack != SYSTEM)


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words)))
