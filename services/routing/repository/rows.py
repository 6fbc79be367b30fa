"""Rows of the ledger; their fields are the columns that are written."""

from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

DELIVER = "deliver"
STOP = "stop"

NO_DELIVERY = UUID(int=0)
"""`receipt.delivery_id` of a fact about the alert as a whole."""


class Origin(NamedTuple):
    """The case-event record that something came from."""

    cluster_id: str
    partition: int
    offset: int


class DecisionRow(NamedTuple):
    """What was concluded from one event; `packs` and hashes are separated by spaces, `errors` is JSON."""

    source: str
    event_id: str
    case_ref: str
    county: str | None
    outcome: str
    packs: str
    pack_hashes: str
    errors: str
    key_id: UUID
    content_digest: bytes | None
    detail: bytes
    values_sealed: bytes | None
    duties_sealed: bytes | None
    undeliverable: str | None
    directory_version: int
    decided_at: datetime
    correlation_id: str
    cluster_id: str
    partition: int
    offset: int


class AlertRow(NamedTuple):
    """What one agency is told; `rules` are separated by spaces, a null `contact` is an external body."""

    alert_id: UUID
    revision: int
    source: str
    event_id: str
    case_ref: str
    form: str
    kind: str
    agency: str
    role: str | None
    contact: str | None
    rules: str
    urgency: str
    acknowledge_by: datetime
    escalation: int
    reason: str | None
    exercise: bool
    decided_at: datetime
    command: str = DELIVER
    replaces: UUID | None = None
    detail: bytes | None = None


class PendingAlert(NamedTuple):
    """The newest revision of an alert that was not stopped; `is_received` once one path delivered it."""

    row: AlertRow
    is_received: bool


class LadderRow(NamedTuple):
    """An alert that climbs at `due` unless somebody acknowledges it; the rest names its row in the case.

    `failed` is the rung of which nobody can be reached, if that is why it is due.
    """

    alert_id: UUID
    source: str
    event_id: str
    agency: str
    cause: str
    told_at: datetime
    case_ref: str
    due: datetime
    failed: int | None = None


class Telling(NamedTuple):
    """An alert as far as one must know to see of which rung it is, and whether it can still be taken."""

    alert_id: UUID
    source: str
    event_id: str
    agency: str
    escalation: int
    has_failed: bool


class DeadAlert(NamedTuple):
    """An alert or notice that did not arrive somewhere, and is tried there no more."""

    alert_id: UUID
    source: str
    urgency: str
    exercise: bool


class DutyRow(NamedTuple):
    """One statutory clock, as an event created it or a correction renewed it."""

    duty_id: UUID
    source: str
    event_id: str
    case_ref: str
    rule: str
    holder: str | None
    what: str
    due: datetime | None
    decided_at: datetime
    remind_at: datetime | None = None


class OutboxRow(NamedTuple):
    """A record to publish, until it is taken over."""

    message_id: UUID
    revision: int
    topic: str
    key: str
    record: bytes
    cluster_id: str
    partition: int
    offset: int
    published_to: str
    created_at: datetime
    publish_after: datetime


class OutboxMessage(NamedTuple):
    """A stored record, to be published again."""

    message_id: UUID
    topic: str
    key: str
    record: bytes


class QuarantineRow(NamedTuple):
    """A refused record, whole."""

    cluster_id: str
    topic: str
    partition: int
    offset: int
    record_key: bytes | None
    record: bytes | None
    source: str
    event_id: str
    case_ref: str
    reason: str
    content_digest: bytes | None
    error_type: str | None
    error_at: str | None
    quarantined_at: datetime


class ReceiptRow(NamedTuple):
    """A fact about an alert, as notify told it."""

    alert_id: UUID
    revision: int
    kind: str
    delivery_id: UUID
    channel: str | None
    outcome: str | None
    at: datetime


class ToldAlert(NamedTuple):
    """An alert of a decided event, with the case that knows of it and the key of that."""

    alert_id: UUID
    source: str
    event_id: str
    agency: str
    case_ref: str
    key_id: UUID


class KeyedCase(NamedTuple):
    """A case with the key of its state."""

    case_ref: str
    key_id: UUID


class EvidenceRow(NamedTuple):
    """What closed a duty, as notify told it."""

    duty_id: UUID
    agency: str
    case_ref: str
    key_id: UUID
    sealed: bytes
    at: datetime


class Account(NamedTuple):
    """What a decision left behind for later alerts about its event; the sealed parts still sealed."""

    key_id: UUID
    detail: bytes
    values_sealed: bytes | None
    correlation_id: str


class Moment(NamedTuple):
    """The instant of a batch, the newest version of the directory (0 before the first), and of the packs."""

    now: datetime
    directory_version: int
    pack_revision: int


class EarlierDecision(NamedTuple):
    """What a later event with the same (source, id) is compared with.

    `refused_digests` are of other contents that came under the id and were refused.
    """

    case_ref: str
    county: str | None
    outcome: str
    errors: str
    key_id: UUID
    content_digest: bytes | None
    duties_sealed: bytes | None
    decided_at: datetime
    refused_digests: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, row: DecisionRow) -> Self:
        """What was decided in the same batch."""
        return cls(
            case_ref=row.case_ref,
            county=row.county,
            outcome=row.outcome,
            errors=row.errors,
            key_id=row.key_id,
            content_digest=row.content_digest,
            duties_sealed=row.duties_sealed,
            decided_at=row.decided_at,
        )
