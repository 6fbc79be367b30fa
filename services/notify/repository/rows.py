"""What the repository takes and gives: alerts, deliveries and attempts as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from schemas.alert import AlertForm, AlertRecord, Command
from schemas.vocabulary import Rung, Urgency
from services.notify.delivery import Channel, DeliveryState, Outcome, Path
from services.notify.receipts import Receipt

DELIVERED: Final = frozenset({Command.DELIVER, Command.AMEND})
"""The commands by which somebody is told."""


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """A delivery to be made with its alert; without a lease it is due at once for whoever claims it."""

    delivery_id: UUID
    path: Path
    is_leased: bool


@dataclass(frozen=True, slots=True)
class PlannedAlert:
    """An alert to be stored and every way it is to go."""

    record: AlertRecord
    deliveries: Sequence[PlannedDelivery]

    @property
    def leads_nowhere(self) -> bool:
        """Whether it is to be told and there is no path: its agency only learns of it when it asks."""
        return self.record.command in DELIVERED and not self.deliveries


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that this process may attempt, as attempt `number`, as long as its lease lasts."""

    delivery_id: UUID
    record: AlertRecord = field(repr=False)
    path: Path
    number: int
    lease_until: datetime
    earlier: int = 0
    """Attempts before it was redriven, which its schedule does not count."""
    is_claimed: bool = False
    """Taken from PostgreSQL, and so perhaps an alert that another process reads."""
    is_on_ladder: bool = False
    """A rung, or an alert of which one was told: another of them may make it needless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is to be written about an attempt; `due_at` is given exactly while the delivery stays pending."""

    alert_id: UUID
    revision: int
    delivery_id: UUID
    lane: str
    number: int
    started_at: datetime
    duration_ms: int
    outcome: Outcome
    status_code: int | None
    enhanced_code: str | None
    detail: str | None
    state: DeliveryState
    due_at: datetime | None
    has_missed: bool
    """Whether nothing arrived by it for certain."""
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class ReceiptBatch:
    """One row of the outbox: receipts that are published together."""

    batch_id: int
    receipts: Sequence[Receipt]


@dataclass(frozen=True, slots=True)
class UntakenAlert:
    """An alert that nobody took in time, or that cannot reach anybody, as far as a receipt names it."""

    alert_id: UUID
    revision: int
    agency: str
    case_ref: str
    correlation_id: str


RECORD_COLUMNS: Final = (
    "a.alert_id, a.revision, a.command, a.form, a.agency, a.contact, a.case_ref, a.urgency, a.acknowledge_by,"
    " a.exercise, a.mandated, a.decided_at, a.directory_version, a.correlation_id, a.key_id, a.sealed"
)


def plain_uuid(read: UUID) -> UUID:
    """A UUID as Python has it: asyncpg reads its own kind, which neither orjson nor the log knows."""
    return UUID(int=read.int)


def read_record(row: asyncpg.Record) -> AlertRecord:
    """The record as it came from the topic; it was validated then."""
    return AlertRecord.model_construct(
        command=Command(row["command"]),
        form=AlertForm(row["form"]),
        alert_id=plain_uuid(row["alert_id"]),
        revision=row["revision"],
        agency=row["agency"],
        contact=Rung(row["contact"]),
        case_ref=row["case_ref"],
        urgency=Urgency(row["urgency"]),
        acknowledge_by=row["acknowledge_by"],
        exercise=row["exercise"],
        mandated=row["mandated"],
        decided_at=row["decided_at"],
        directory_version=row["directory_version"],
        correlation_id=row["correlation_id"],
        key_id=plain_uuid(row["key_id"]),
        sealed=row["sealed"],
    )


def read_due(row: asyncpg.Record) -> Due:
    return Due(
        delivery_id=plain_uuid(row["delivery_id"]),
        record=read_record(row),
        path=Path(Channel(row["channel"]), row["target"]),
        number=row["attempts"],
        lease_until=row["due_at"],
        earlier=row["earlier_attempts"],
        is_claimed=True,
        is_on_ladder=row["is_on_ladder"],
    )
