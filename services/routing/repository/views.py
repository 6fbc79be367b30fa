"""The ledger as `explain` reads it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.routing.repository.reads import SignedRead, record_signed_read
from services.runtime.database import Pool, connection


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One decision, its sealed part still sealed."""

    source: str
    event_id: str
    case_ref: str
    county: str | None
    outcome: str
    packs: str
    pack_hashes: str
    errors: str
    key_id: UUID
    detail: bytes = field(repr=False)
    undeliverable: str | None
    directory_version: int
    decided_at: datetime
    correlation_id: str


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert with what became of it; `handed_over_at` is when notify had taken it over."""

    alert_id: UUID
    revision: int
    source: str
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
    command: str
    replaces: UUID | None
    detail: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DutyView:
    """One statutory clock."""

    duty_id: UUID
    source: str
    rule: str
    holder: str | None
    what: str
    due: datetime | None
    status: str


@dataclass(frozen=True, slots=True)
class FactView:
    """One fact about an alert, as notify told it."""

    alert_id: UUID
    revision: int
    kind: str
    channel: str | None
    outcome: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class RefusalView:
    """One refused record."""

    source: str
    case_ref: str
    reason: str
    error_type: str | None
    error_at: str | None
    quarantined_at: datetime


@dataclass(frozen=True, slots=True)
class EventView:
    """Everything the ledger holds of one event id."""

    decisions: list[DecisionView]
    alerts: list[AlertView]
    duties: list[DutyView]
    facts: list[FactView]
    refusals: list[RefusalView]


class ViewRepository:
    """Reads of one event id; `source` None means every source that used it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record_read(self, read: SignedRead) -> bool:
        """False if the same statement was answered before."""
        async with connection(self._pool) as acquired:
            return await record_signed_read(acquired, read)

    async def read_event(self, *, event_id: str, source: str | None) -> EventView:
        async with (
            connection(self._pool) as acquired,
            acquired.transaction(isolation="repeatable_read", readonly=True),
        ):
            decisions = await acquired.fetch(_DECISIONS, event_id, source)
            alerts = await acquired.fetch(_ALERTS, event_id, source)
            duties = await acquired.fetch(_DUTIES, event_id, source)
            facts = await acquired.fetch(_FACTS, [row["alert_id"] for row in alerts])
            refusals = await acquired.fetch(_REFUSALS, event_id, source)
        return EventView(
            [DecisionView(*row) for row in decisions],
            [AlertView(*row) for row in alerts],
            [DutyView(*row) for row in duties],
            [FactView(*row) for row in facts],
            [RefusalView(*row) for row in refusals],
        )


_DECISIONS = """
SELECT source, event_id, case_ref, county, outcome, packs, pack_hashes, errors, key_id, detail, undeliverable,
    directory_version, decided_at, correlation_id
FROM routing.decision
WHERE event_id = $1 AND ($2::text IS NULL OR source = $2)
ORDER BY decided_at, source
"""

_ALERTS = """
SELECT alert_id, revision, source, form, kind, agency, role, contact, rules, urgency, acknowledge_by,
    escalation, reason, exercise, decided_at, command, replaces, detail
FROM routing.alert
WHERE event_id = $1 AND ($2::text IS NULL OR source = $2)
ORDER BY decided_at, agency, form, revision
"""

_DUTIES = """
SELECT duty_id, source, rule, holder, what, due, status
FROM routing.duty
WHERE event_id = $1 AND ($2::text IS NULL OR source = $2)
ORDER BY due NULLS LAST, rule, what
"""

_FACTS = """
SELECT alert_id, revision, kind, channel, outcome, min(at) AS at
FROM routing.receipt
WHERE alert_id = ANY($1::uuid[])
GROUP BY alert_id, revision, kind, delivery_id, channel, outcome
ORDER BY at, kind
"""

_REFUSALS = """
SELECT source, case_ref, reason, error_type, error_at, quarantined_at
FROM routing.quarantine
WHERE event_id = $1 AND ($2::text IS NULL OR source = $2)
ORDER BY quarantined_at
"""
