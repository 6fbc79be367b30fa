"""The duties of all agencies, as the ledger has them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from services.routing.repository.reads import record_read
from services.runtime.database import Pool, connection


@dataclass(frozen=True, slots=True)
class RegisteredRow:
    """One duty and what closed it, still sealed."""

    duty_id: UUID
    source: str
    event_id: str
    case_ref: str
    rule: str
    holder: str | None
    what: str
    due: datetime | None
    status: str
    is_overdue: bool
    decided_at: datetime
    evidence_key_id: UUID | None
    evidence_sealed: bytes | None = field(repr=False)
    closed_at: datetime | None
    total: int


class RegisterRepository:
    """Asked seldom, by people: without an index, which every duty would pay for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_duties(
        self, *, agency: str | None, event_id: str | None, only_overdue: bool, limit: int, operator: str
    ) -> list[RegisteredRow]:
        """The longest due first, those without an hour next, closed ones last. First the read is recorded."""
        asked = [f"for {agency}" if agency else "", f"event {event_id}" if event_id else ""]
        detail = ", ".join(filter(None, [*asked, "overdue" if only_overdue else ""])) or "all"
        async with connection(self._pool) as acquired:
            await record_read(acquired, operator=operator, what="duties.listed", detail=detail)
            rows = await acquired.fetch(_LIST, agency, event_id, only_overdue, limit)
        return [RegisteredRow(*row) for row in rows]


_LIST: Final = """
WITH register AS (
    SELECT d.duty_id, d.source, d.event_id, d.case_ref, d.rule, d.holder, d.what, d.due,
        d.status, coalesce(d.due < now() AND d.status <> 'closed', false) AS is_overdue,
        d.decided_at, e.key_id, e.sealed, e.at
    FROM routing.duty AS d
    LEFT JOIN LATERAL (
        SELECT key_id, sealed, at
        FROM routing.evidence AS kept
        WHERE kept.duty_id = d.duty_id AND kept.agency = d.holder
        ORDER BY at
        LIMIT 1
    ) AS e ON true
    WHERE ($1::text IS NULL OR d.holder = $1) AND ($2::text IS NULL OR d.event_id = $2)
)
SELECT *, count(*) OVER () AS total
FROM register
WHERE is_overdue OR NOT $3::boolean
ORDER BY status = 'closed', due NULLS LAST, decided_at, duty_id
LIMIT $4
"""
