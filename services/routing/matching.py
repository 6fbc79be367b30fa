"""Which rules an event matches, and what each of them comes to: who is told, who is not, and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from schemas.vocabulary import CountyFips, EventType, Group, Reason, Role
from services.routing.age import read_age
from services.routing.consents import find_holders
from services.routing.decision import AgencyVerdict, Member, RuleConsidered, Verdict
from services.routing.disclosure import NO_CONSENTS, Disclosure, disclose
from services.routing.facts import FactSheet, Reading
from services.routing.recipients import Recipients, find_obstacle, find_recipients
from services.routing.refusals import names_member
from services.routing.rules import Edition, ReadyRule, Target
from services.routing.situation import Situation
from services.routing.system_rules import CONFLICT_RULE

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
    consents: Mapping[Group, frozenset[str]] = NO_CONSENTS
    """Of the groups that needed one: those of which any sufficed."""


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


class Settled(NamedTuple):
    """What every rule that matches came to, the candidates that did not, and what all were judged by."""

    settlements: list[Settlement]
    not_matched: list[RuleConsidered]
    sheets: list[FactSheet]


def settle_all(situation: Situation, edition: Edition) -> Settled:
    """Judge every candidate, and settle those that match. Raises ConditionError."""
    settlements: list[Settlement] = []
    not_matched: list[RuleConsidered] = []
    sheets: list[FactSheet] = []
    if situation.conflicts and names_member(situation.event, situation.directory):
        settlements += settle(CONFLICT_RULE, situation)
    for rule, matched in match_rules(situation, edition, situation.event.event_type, sheets):
        if matched:
            settlements += settle(rule, situation)
        else:
            not_matched.append(rule.not_matched)
    if situation.revoked and situation.event.event_type is not EventType.CONSENT_REVOKED:
        for rule, matched in match_rules(situation, edition, EventType.CONSENT_REVOKED, []):
            if matched and rule.to_holders:
                settlements.append(_settle_holders(rule, situation))
    return Settled(settlements, not_matched, sheets)


def match_rules(
    situation: Situation, edition: Edition, event_type: EventType, sheets: list[FactSheet]
) -> Iterator[tuple[ReadyRule, bool]]:
    """Every candidate rule for events of a type with whether it matches this one; adds what it was judged by.

    Raises ConditionError.
    """
    event = situation.event
    for candidates in edition.candidates(event_type):
        age = read_age(event.data, situation.now.astimezone(candidates.zone).date())
        sheet = candidates.read(Reading(event, situation.emitter.role_facts, age))
        sheets.append(sheet)
        yield from candidates.judge(sheet)


def settle(rule: ReadyRule, situation: Situation) -> list[Settlement]:
    """Work out a matched rule, role by role and county by county."""
    settlements = [
        _settle_one(rule, target, county, situation)
        if county is not None
        else _close(rule, Verdict.NO_AGENCY, role=target.role, reason=Reason.NO_AGENCY)
        for target in rule.targets
        for county in _counties(target, situation)
    ]
    if rule.to_holders:
        settlements.append(_settle_holders(rule, situation))
    return settlements


def _counties(target: Target, situation: Situation) -> Sequence[CountyFips | None]:
    """Where the role is looked for; None when the event names no destination."""
    if target.in_destinations:
        return tuple(dict.fromkeys(situation.event.data.destinations or ())) or (None,)
    return (situation.county,)


def _settle_one(rule: ReadyRule, target: Target, county: CountyFips, situation: Situation) -> Settlement:
    found = find_recipients(target, county, situation, mandated=rule.mandated)
    hits: list[Hit] = []
    agencies: list[AgencyVerdict] = []
    told_as = None if found.role is target.role else found.role
    for member in found.eligible:
        disclosure = disclose(rule, found.role, member, situation)
        agencies.append(_tell(member, disclosure, told_as))
        if disclosure is not None:
            hits.append(Hit(rule, found.role, member, disclosure.groups, disclosure.consents))
    verdict = _judge(found, agencies)
    told = (*agencies, *found.refused)
    considered = RuleConsidered(rule.id, rule.pack, verdict, target.role, county, told)
    return Settlement(rule, hits, considered, found.reason, skipped=len(hits) < len(agencies))


def _tell(member: Member, disclosure: Disclosure | None, told_as: Role | None) -> AgencyVerdict:
    if disclosure is None:
        return AgencyVerdict(member.id, Verdict.CONSENT_REQUIRED, role=told_as)
    verdict = Verdict.EXTERNAL if member.external else Verdict.ALERTED
    groups, removed, consents = disclosure
    return AgencyVerdict(member.id, verdict, groups, removed, told_as, consents)


def _settle_holders(rule: ReadyRule, situation: Situation) -> Settlement:
    """Whoever saw something under a consent that is revoked; no alternate and no S-04 (6.0.1 point 21)."""
    hits: list[Hit] = []
    agencies: list[AgencyVerdict] = []
    for agency, role in find_holders(situation.case, situation.revoked):
        member = situation.directory.find_member(agency)
        if member is None:
            continue
        obstacle = find_obstacle(member, situation, mandated=True)
        disclosure = None if obstacle else disclose(rule, role, member, situation)
        if obstacle is not None:
            agencies.append(AgencyVerdict(agency, obstacle, role=role))
            continue
        agencies.append(_tell(member, disclosure, role))
        if disclosure is not None:
            hits.append(Hit(rule, role, member, disclosure.groups, disclosure.consents))
    verdict = Verdict.ALERTED if hits else next((told.verdict for told in agencies), Verdict.NOBODY_HELD)
    return Settlement(rule, hits, RuleConsidered(rule.id, rule.pack, verdict, agencies=tuple(agencies)))


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
