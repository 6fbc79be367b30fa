"""Which rules an event matches, and what each of them comes to: who is told, who is not, and why."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from schemas.vocabulary import CountyFips, Group, Reason, Role
from services.routing.age import read_age
from services.routing.decision import AgencyVerdict, Member, RuleConsidered, Verdict
from services.routing.disclosure import disclose
from services.routing.facts import Reading
from services.routing.recipients import Recipients, find_recipients
from services.routing.rules import Edition, ReadyRule, Target
from services.routing.situation import Situation

_SKIPPED: Final = Verdict.CONSENT_REQUIRED
_VERDICT_OF: Final = {
    reason: Verdict(reason.value.lower())
    for reason in (Reason.CONFLICT, Reason.OFFBOARDED, Reason.AGREEMENT_EXPIRED, Reason.NO_AGENCY)
}


class Hit(NamedTuple):
    """One agency told under one rule, with the groups that reach it."""

    rule: ReadyRule
    role: Role
    member: Member
    groups: frozenset[Group]


class Settlement(NamedTuple):
    """What one matched rule came to for one role in one county."""

    rule: ReadyRule
    hits: tuple[Hit, ...]
    considered: RuleConsidered
    reason: Reason | None = None

    @property
    def skipped(self) -> bool:
        """Whether anybody was not told for want of consent."""
        return any(entry.verdict is _SKIPPED for entry in self.considered.agencies)

    @property
    def only_self(self) -> bool:
        """Whether the emitter alone would have been told."""
        return self.considered.verdict is Verdict.SELF


def match_rules(situation: Situation, edition: Edition) -> Iterator[tuple[ReadyRule, bool]]:
    """Every candidate rule with whether it matches. Raises ConditionError."""
    event = situation.event
    for candidates in edition.candidates(event.event_type):
        age = read_age(event.data, situation.now.astimezone(candidates.zone).date())
        yield from candidates.judge(Reading(event, situation.emitter.role_facts, age))


def settle(rule: ReadyRule, situation: Situation) -> Iterator[Settlement]:
    """Work out a matched rule, role by role and county by county."""
    if not rule.honoured:
        yield _close(rule, Verdict.NOT_HONOURED)
        return
    for target in rule.targets:
        counties = _counties(target, situation)
        if not counties:
            yield _close(rule, Verdict.NO_AGENCY, role=target.role, reason=Reason.NO_AGENCY)
        for county in counties:
            yield _settle_one(rule, target, county, situation)


def _counties(target: Target, situation: Situation) -> Sequence[CountyFips]:
    if target.in_destinations:
        return tuple(dict.fromkeys(situation.event.data.destinations or ()))
    return (situation.county,)


def _settle_one(rule: ReadyRule, target: Target, county: CountyFips, situation: Situation) -> Settlement:
    found = find_recipients(target, county, situation, mandated=rule.mandated)
    hits: list[Hit] = []
    agencies: list[AgencyVerdict] = []
    for member in found.eligible:
        disclosure = disclose(rule, found.role, situation)
        if disclosure is None:
            agencies.append(AgencyVerdict(member.id, _SKIPPED))
            continue
        verdict = Verdict.EXTERNAL if member.external else Verdict.ALERTED
        agencies.append(AgencyVerdict(member.id, verdict, disclosure.groups, disclosure.removed))
        hits.append(Hit(rule, found.role, member, disclosure.groups))
    considered = RuleConsidered(
        rule=rule.id,
        pack=rule.pack,
        verdict=_verdict(found, hits),
        role=target.role,
        county=county,
        agencies=(*agencies, *found.refused),
    )
    return Settlement(rule, tuple(hits), considered, found.reason)


def _verdict(found: Recipients, hits: Sequence[Hit]) -> Verdict:
    """The one word for a role in a county; each agency has its own beside it."""
    if found.only_self:
        return Verdict.SELF
    if not hits:
        return _SKIPPED if found.eligible else _VERDICT_OF[found.reason or Reason.NO_AGENCY]
    if found.reason is not None:
        return Verdict.ALTERNATE_ALERTED
    return Verdict.EXTERNAL if all(hit.member.external for hit in hits) else Verdict.ALERTED


def _close(
    rule: ReadyRule, verdict: Verdict, *, role: Role | None = None, reason: Reason | None = None
) -> Settlement:
    return Settlement(rule, (), RuleConsidered(rule.id, rule.pack, verdict, role), reason)
