"""Which duties of an agency its alerts and notices carry, and what a reader is told of one. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.alert import AlertForm, AlertRecord, Command
from services.notify.bodies import Content

NEEDS_REVIEW: Final = "needs_review"
"""What stands in place of an instant once a correction or retraction put a duty in question."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """The alert or notice in which a duty's words are."""

    alert_id: UUID
    revision: int


@dataclass(frozen=True, slots=True)
class DutyChange:
    """What the records of a feed say of one duty.

    Without a carrier it is known from before, if at all. `is_in_doubt` says that it needs review, as what was
    decided last (`said_at`) has it; a carrier that only says so is `is_last_resort`: one with the duty's own
    time is better.
    """

    duty_id: UUID
    carrier: Carrier | None
    is_in_doubt: bool
    said_at: datetime
    is_last_resort: bool = False


def gather_changes(read: Iterable[tuple[AlertRecord, Content]]) -> Sequence[DutyChange]:
    """One change for each duty, of records in the order of their feed."""
    changes: dict[UUID, DutyChange] = {}
    for record, content in read:
        for change in _list_changes(record, content):
            known = changes.pop(change.duty_id, None)
            changes[change.duty_id] = change if known is None else _merge(known, change)
    return list(changes.values())


def find_duty(record: AlertRecord, content: Content, duty_id: UUID) -> Mapping[str, Any] | None:
    """The duty's own entry, with an instant or null as `due`."""
    for item in _list_own(record, content):
        if item["duty_id"] == str(duty_id):
            return {**item, "due": None if item["due"] == NEEDS_REVIEW else item["due"]}
    return None


def _merge(known: DutyChange, later: DutyChange) -> DutyChange:
    """What was decided last counts, whatever came first: a record may be published again."""
    newest, other = (later, known) if later.said_at >= known.said_at else (known, later)
    is_better = newest.carrier is None or (newest.is_last_resort and other.carrier is not None)
    best = other if is_better else newest
    return replace(best, is_in_doubt=newest.is_in_doubt, said_at=newest.said_at)


def _list_changes(record: AlertRecord, content: Content) -> Iterable[DutyChange]:
    if record.command is Command.REVIEW:
        named: Any = content.get("duty_ids") or ()
        said_at = record.decided_at
        return [DutyChange(UUID(duty_id), None, is_in_doubt=True, said_at=said_at) for duty_id in named]
    if content.get("reminder") is not None:
        # It says again what its alert or notice said, which goes on carrying it.
        return []
    carrier = Carrier(record.alert_id, record.revision)
    return [
        DutyChange(
            UUID(item["duty_id"]),
            carrier,
            is_in_doubt=item["due"] == NEEDS_REVIEW,
            said_at=record.decided_at,
            is_last_resort=item["due"] == NEEDS_REVIEW,
        )
        for item in _list_own(record, content)
    ]


def _list_own(record: AlertRecord, content: Content) -> Iterable[Mapping[str, Any]]:
    """An alert shows what others must do too; a notice is its agency's alone."""
    items: Any = content.get("duties") or ()
    if record.form is AlertForm.DUTY_NOTICE:
        return list(items)
    return [item for item in items if item["holder"] == record.agency]
