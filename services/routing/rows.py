"""Rows of a decision: one merged alert per agency, and those that tell of a problem (S-04, S-05, S-06)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from schemas.vocabulary import AlertKind, Reason, Role, Rung, Urgency
from services.routing.decision import Member, PlannedAlert, PlannedDuty
from services.routing.matching import Hit
from services.routing.recipients import first_reason
from services.routing.rules import ReadyRule
from services.routing.situation import Situation


@dataclass(frozen=True, slots=True)
class Problem:
    """Why somebody must be told that a rule did not do its work, and how fast."""

    rule: ReadyRule
    reason: Reason
    urgency: Urgency

    @property
    def within(self) -> timedelta:
        """How long its reader has."""
        return self.rule.urgency_times[self.urgency]


def merge_hits(
    hits: Sequence[Hit], duties: Mapping[str, Sequence[PlannedDuty]], situation: Situation
) -> Iterator[PlannedAlert]:
    """One row per agency: union of groups, highest urgency, all duties (DOMAIN 6.0 step 10)."""
    of_agency: dict[str, list[Hit]] = {}
    for hit in hits:
        of_agency.setdefault(hit.member.id, []).append(hit)
    for agency, own in sorted(of_agency.items()):
        yield _merge(own, duties.get(agency, ()), situation)


def coordinator_rows(problems: Sequence[Problem], situation: Situation) -> Iterator[PlannedAlert]:
    """S-04: one row per event and coordinator, with the first reason and no duties."""
    if problems:
        conflicts = situation.conflicts
        for member in situation.directory.coordinators(situation.county, excluding=conflicts):
            yield _problem_row("S-04", problems, situation, member=member, role=Role.TF_COORDINATOR)


def consent_rows(skipped: Sequence[Problem], situation: Situation) -> Iterator[PlannedAlert]:
    """S-06: the emitter learns that somebody was not told for want of consent; one row per event."""
    emitter = situation.emitter
    if skipped and emitter.id not in situation.conflicts:
        yield _problem_row("S-06", skipped, situation, member=emitter, role=emitter.roles[0])


def _merge(hits: Sequence[Hit], duties: Sequence[PlannedDuty], situation: Situation) -> PlannedAlert:
    first, *others = sorted(hits, key=lambda hit: hit.rule.rank)
    rules = [first.rule, *(hit.rule for hit in others)]
    urgency = first.rule.urgency
    disclosed = first.groups.union(*(hit.groups for hit in others))
    return PlannedAlert(
        agency=first.member.id,
        role=first.role,
        contact=None if first.member.external else Rung.PRIMARY,
        kind=AlertKind.ALERT,
        rules=tuple(sorted({rule.id for rule in rules})),
        packs=_packs(rules),
        urgency=urgency,
        acknowledge_by=situation.now
        + min([rule.acknowledge_within for rule in rules if rule.urgency is urgency]),
        reason=None,
        disclosed=disclosed,
        withheld=situation.present - disclosed,
        duties=tuple(duties),
        emitter_role=situation.emitter.roles[0],
        county=situation.county,
        exercise=situation.exercise,
    )


def _problem_row(
    system_rule: str, problems: Sequence[Problem], situation: Situation, *, member: Member, role: Role
) -> PlannedAlert:
    urgency = max((problem.urgency for problem in problems), key=lambda urgency: urgency.rank)
    within = min(problem.within for problem in problems if problem.urgency is urgency)
    reason = first_reason(problem.reason for problem in problems)
    return PlannedAlert(
        agency=member.id,
        role=role,
        contact=None if member.external else Rung.PRIMARY,
        kind=AlertKind.ERROR if reason is Reason.CONSENT_REQUIRED else AlertKind.ALERT,
        rules=(system_rule,),
        packs=_packs(problem.rule for problem in problems),
        urgency=urgency,
        acknowledge_by=situation.now + within,
        reason=reason,
        disclosed=frozenset(),
        withheld=situation.present,
        duties=(),
        emitter_role=situation.emitter.roles[0],
        county=situation.county,
        exercise=situation.exercise,
    )


def _packs(rules: Iterable[ReadyRule]) -> tuple[str, ...]:
    return tuple(sorted({rule.pack for rule in rules}))
