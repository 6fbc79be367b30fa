"""Two decisions of one event, side by side."""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.vocabulary import AgencyId
from services.cli.backtesting.findings import AlertChange, Findings, LostRecipient, OutcomeChange, PastEvent
from services.cli.backtesting.telling import DUTY_NOTICE, Telling, find_differences, tell_alert, tell_notice
from services.cli.simulation.world import Told
from services.routing.decision import Verdict
from services.routing.rules import PackSet
from services.routing.system_rules import find_rule

_TOLD = frozenset({Verdict.ALERTED, Verdict.EXTERNAL})


class _Key(NamedTuple):
    """What tells apart what one event tells."""

    agency: AgencyId
    cause: str


class Side(NamedTuple):
    """What an event came to by one set of packs."""

    told: Told
    packs: PackSet


def compare(before: Side, after: Side, event: PastEvent, findings: Findings) -> None:
    """Add what differs between two decisions of one event."""
    findings.event_count += 1
    if before.told.outcome is not after.told.outcome:
        findings.outcomes.append(OutcomeChange(event, before.told.outcome, after.told.outcome))
    old, new = _list_tellings(before.told), _list_tellings(after.told)
    for key in dict.fromkeys((*old, *new)):
        findings.alerts += compare_tellings(event, key.agency, old.get(key), new.get(key))
    findings.lost += _find_lost(before, after, event, {key.agency for key in new})


def compare_tellings(
    event: PastEvent,
    agency: AgencyId,
    before: Telling | None,
    after: Telling | None,
    *,
    escalation: int = 0,
) -> Iterator[AlertChange]:
    """A change, unless both tell the same."""
    if before is None or after is None or find_differences(before, after):
        yield AlertChange(event, agency, before, after, escalation)


def _list_tellings(told: Told) -> dict[_Key, Telling]:
    if told.decision is None:
        return {}
    at = told.at
    rows = {_Key(row.agency, row.cause): tell_alert(row, at=at) for row in told.decision.alerts}
    notices = {_Key(n.agency, DUTY_NOTICE): tell_notice(n, at=at) for n in told.decision.notices}
    return rows | notices


def _find_lost(
    before: Side, after: Side, event: PastEvent, told_now: set[AgencyId]
) -> Iterator[LostRecipient]:
    old, new = _Mandate.of(before), _Mandate.of(after)
    for agency, rules in sorted(old.told.items()):
        # Who saw nothing under a consent need not hear that it is revoked.
        owed = [rule for rule in rules if not (rule in old.to_holders and new.to_holders)]
        if owed and agency not in new.told:
            yield LostRecipient(event, agency, tuple(owed), is_still_told=agency in told_now)


class _Mandate(NamedTuple):
    """Whom the law orders to be told and who is told, by which rules; and which of those tell holders."""

    told: dict[AgencyId, list[str]]
    to_holders: set[str]

    @classmethod
    def of(cls, side: Side) -> "_Mandate":
        found = cls({}, set())
        decision = side.told.decision
        for entry in decision.considered if decision is not None else ():
            rule = (
                None
                if entry.verdict is Verdict.NOT_MATCHED
                else find_rule(side.packs, entry.pack, entry.rule)
            )
            if rule is None or not rule.mandated:
                continue
            if rule.to_holders:
                found.to_holders.add(rule.id)
            for verdict in entry.agencies:
                if verdict.verdict in _TOLD:
                    found.told.setdefault(verdict.agency, []).append(rule.id)
        return found
