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

_TOLD_LEAST_FIRST: Final = (Verdict.CONSENT_REQUIRED, Verdict.EXTERNAL, Verdict.ALERTED)
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
    """What one matched rule came to for one role in one county.

    `reason` when nobody eligible holds the role; `skipped` when somebody was not told for want of consent.
    """

    rule: ReadyRule
    hits: list[Hit]
    considered: RuleConsidered
    reason: Reason | None = None
    skipped: bool = False

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


def settle(rule: ReadyRule, situation: Situation) -> list[Settlement]:
    """Work out a matched rule, role by role and county by county."""
    if not rule.honoured:
        return [_close(rule, Verdict.NOT_HONOURED)]
    return [
        _settle_one(rule, target, county, situation)
        if county is not None
        else _close(rule, Verdict.NO_AGENCY, role=target.role, reason=Reason.NO_AGENCY)
        for target in rule.targets
        for county in _counties(target, situation)
    ]


def _counties(target: Target, situation: Situation) -> Sequence[CountyFips | None]:
    """Where the role is looked for; None when the event names no destination."""
    if target.in_destinations:
        return tuple(dict.fromkeys(situation.event.data.destinations or ())) or (None,)
    return (situation.county,)


def _settle_one(rule: ReadyRule, target: Target, county: CountyFips, situation: Situation) -> Settlement:
    found = find_recipients(target, county, situation, mandated=rule.mandated)
    hits: list[Hit] = []
    agencies: list[AgencyVerdict] = []
    for member in found.eligible:
        disclosure = disclose(rule, found.role, situation)
        if disclosure is None:
            agencies.append(AgencyVerdict(member.id, Verdict.CONSENT_REQUIRED))
        else:
            verdict = Verdict.EXTERNAL if member.external else Verdict.ALERTED
            agencies.append(AgencyVerdict(member.id, verdict, disclosure.groups, disclosure.removed))
            hits.append(Hit(rule, found.role, member, disclosure.groups))
    verdict = _judge(found, agencies)
    told = (*agencies, *found.refused)
    considered = RuleConsidered(rule.id, rule.pack, verdict, target.role, county, told)
    return Settlement(rule, hits, considered, found.reason, skipped=len(hits) < len(agencies))


def _judge(found: Recipients, agencies: Sequence[AgencyVerdict]) -> Verdict:
    """The one word for a role in a county; each agency has its own beside it."""
    if found.only_self:
        return Verdict.SELF
    if not agencies:
        return _VERDICT_OF[found.reason or Reason.NO_AGENCY]
    verdicts = [entry.verdict for entry in agencies]
    verdict = max(verdicts, key=_TOLD_LEAST_FIRST.index) if len(verdicts) > 1 else verdicts[0]
    if found.reason is not None and verdict is not Verdict.CONSENT_REQUIRED:
        return Verdict.ALTERNATE_ALERTED
    return verdict


def _close(
    rule: ReadyRule, verdict: Verdict, *, role: Role | None = None, reason: Reason | None = None
) -> Settlement:
    return Settlement(rule, [], RuleConsidered(rule.id, rule.pack, verdict, role), reason)
