"""What a correction or retraction does to what its event told before.

DOMAIN 6.0, S-02 and S-03; 6.0.1 points 9, 16 and 17.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from schemas.vocabulary import AlertKind, Urgency
from services.routing.case_state import EventRecord, KeptDuty, RowKey, SentRow, row_key
from services.routing.decision import PlannedAlert, PlannedDuty
from services.routing.situation import Situation
from services.routing.system_rules import SYSTEM_TIMES

CLIMBING: Final = frozenset({AlertKind.ALERT, AlertKind.UPDATE})
"""Rows that somebody must acknowledge, and that a correction updates or cancels."""


def revise(
    rows: Iterable[PlannedAlert], earlier: EventRecord, situation: Situation
) -> tuple[PlannedAlert, ...]:
    """In both evaluations an update, only in the new one an alert, only in the old one a cancel (S-03).

    A retraction is a correction whose evaluation tells nobody.
    """
    standing = {(row.agency, row.cause): row for row in earlier.rows}
    revised = [_revise_row(row, standing.pop((row.agency, row.cause), None), earlier) for row in rows]
    cancels = [
        _cancel(row, row_key(earlier, row), situation, exercise=earlier.exercise)
        for row in standing.values()
        if _is_reachable(row, situation)
    ]
    return (*revised, *cancels)


def _revise_row(row: PlannedAlert, old: SentRow | None, earlier: EventRecord) -> PlannedAlert:
    if old is None or row.kind not in CLIMBING:
        return row
    return replace(
        row, kind=AlertKind.UPDATE, replaces=row_key(earlier, old), in_earnest=not earlier.exercise
    )


def _is_reachable(row: SentRow, situation: Situation) -> bool:
    """Whoever may hear that a row is withdrawn: an ended agreement does not matter, a conflict does."""
    member = situation.directory.find_member(row.agency)
    return member is not None and not member.offboarded and member.id not in situation.conflicts


def _cancel(row: SentRow, replaces: RowKey, situation: Situation, *, exercise: bool) -> PlannedAlert:
    """A drill like what it withdraws, or none, whatever the retraction says of itself."""
    return PlannedAlert(
        agency=row.agency,
        role=row.role,
        contact=row.contact,
        kind=AlertKind.CANCEL,
        rules=row.rules,
        packs=row.packs,
        urgency=Urgency.ROUTINE,
        acknowledge_by=situation.now + SYSTEM_TIMES.routine,
        reason=row.reason,
        disclosed=frozenset(),
        withheld=situation.present,
        duties=tuple(_review(duty) for duty in row.duties if duty.mandated),
        emitter_role=situation.emitter_role,
        county=situation.county,
        exercise=exercise,
        replaces=replaces,
    )


def find_reviews(earlier: EventRecord, duties: Sequence[PlannedDuty]) -> Iterator[PlannedDuty]:
    """Mandated duties that the new evaluation does not create: somebody must say whether they still bind."""
    renewed = {(duty.rule, duty.holder, duty.what) for duty in duties}
    for duty in earlier.duties:
        if (duty.rule, duty.holder, duty.what) not in renewed:
            yield _review(duty)


def _review(duty: KeptDuty) -> PlannedDuty:
    return PlannedDuty(
        duty.rule, duty.holder, duty.what, None, duty.authority, mandated=True, needs_review=True
    )
