"""What becomes of an alert that is on its way when consents or conflicts change (DESIGN 3, guarantee 4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from schemas.vocabulary import AgencyId, Group
from services.routing.case_state import RULES, CaseState, EventRecord, SentRow, Share
from services.routing.decision import Directory
from services.routing.escalation import find_circumstances
from services.routing.rules import PackSet
from services.routing.rungs import ALTERNATE_RUNG, Rung, Rungs


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """An alert that rules yielded, or a rung of it, as it was told last; nobody is known to have it yet."""

    source: str
    event_id: str
    agency: AgencyId
    escalation: int
    acknowledge_by: datetime
    disclosed: frozenset[Group]
    until: Mapping[Group, datetime]
    shares: tuple[Share, ...]


class Stop:
    """It may be told no more."""


STOP: Final = Stop()

Change: TypeAlias = Rung | Stop | None
"""What is told instead; None when it stays as it is."""


def next_telling(
    alert: OnItsWay, case: CaseState, directory: Directory, packs: PackSet, now: datetime
) -> Change:
    """Judged anew by what the case and the directory say now; groups only shrink, and no rule is added.

    That a group ends sooner than was said is a change, too; it never ends later.

    What a correction withdrew is not judged: the row that took its place was.
    """
    if alert.agency in case.conflicts:
        return STOP
    found = _find_row(alert, case)
    if found is None or not alert.shares:
        return None
    record, row = found
    around = find_circumstances(record, case, directory, now.astimezone(UTC))
    told = Rungs(record, replace(row, shares=alert.shares), around, packs).restate(alert.escalation)
    if told is None:
        return STOP
    until = _find_ends(told.row.disclosed, alert.until, told.row.until)
    if told.row.disclosed == alert.disclosed and until == alert.until:
        return None
    return told._replace(row=replace(told.row, acknowledge_by=alert.acknowledge_by, until=until))


def _find_ends(groups: Iterable[Group], *said: Mapping[Group, datetime]) -> dict[Group, datetime]:
    """The soonest end of each group that ends at all."""
    ends = {group: [until[group] for until in said if group in until] for group in groups}
    return {group: min(known) for group, known in ends.items() if known}


def _find_row(alert: OnItsWay, case: CaseState) -> tuple[EventRecord, SentRow] | None:
    """An alternate has a row of its own; a backup's is that of its agency."""
    is_alternate = alert.escalation == ALTERNATE_RUNG
    for record in case.events:
        for row in record.rows if record.source == alert.source else ():
            is_own = (row.event_id, row.agency, row.cause) == (alert.event_id, alert.agency, RULES)
            if is_own and (row.escalation == ALTERNATE_RUNG) is is_alternate:
                return record, row
    return None
