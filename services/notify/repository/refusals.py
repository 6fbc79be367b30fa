"""Refusals: the first one counts, or one for a conflict of interest; none where the alert is acknowledged."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from schemas.vocabulary import RefusalReason
from services.notify.delivery import DeliveryState
from services.notify.receipts import Receipt
from services.notify.repository.endings import end_waiting
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import ReceiptBatch, plain_uuid
from services.runtime.database import Pool, connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Who does not take an alert over, and why; what was typed is sealed, None where there was no key."""

    alert_id: UUID
    revision: int
    agency: str
    refused_at: datetime
    reason: RefusalReason
    key_id: UUID
    person_sealed: bytes | None = field(repr=False)
    role_sealed: bytes | None = field(repr=False)
    note_sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordedRefusal:
    """The refusal that counts; receipts only if it is the one just given."""

    counted: Refusal
    receipts: ReceiptBatch | None


class RefusalRepository:
    """One refusal an alert."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(self, given: Refusal, receipt: Receipt, *, member: str) -> RecordedRefusal | None:
        """One transaction: the refusal unless one stands, the end of all retries, the receipt.

        A conflict of interest takes the place of any other reason. None where an acknowledgement forbids it.
        """
        async with transaction(self._pool) as acquired:
            recorded = await acquired.fetchval(
                _RECORD,
                given.alert_id,
                given.revision,
                given.agency,
                given.refused_at,
                given.reason,
                given.key_id,
                given.person_sealed,
                given.role_sealed,
                given.note_sealed,
            )
            if recorded is None:
                row = await acquired.fetchrow(_SELECT, given.alert_id)
                standing = None if row is None else _read(row)
                if standing is None or _outweighs(given, standing):
                    return None
                return RecordedRefusal(standing, None)
            await end_waiting(acquired, given.alert_id, state=DeliveryState.DECLINED)
            batch = await insert_receipts(acquired, [receipt], member=member, now=given.refused_at)
        return RecordedRefusal(given, batch)

    async def find(self, alert_id: UUID) -> Refusal | None:
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_SELECT, alert_id)
        return None if row is None else _read(row)


def _outweighs(given: Refusal, standing: Refusal) -> bool:
    conflict = RefusalReason.CONFLICT_OF_INTEREST
    return given.reason is conflict and standing.reason is not conflict


def _read(row: asyncpg.Record) -> Refusal:
    read = {
        "alert_id": plain_uuid(row["alert_id"]),
        "key_id": plain_uuid(row["key_id"]),
        "reason": RefusalReason(row["reason"]),
    }
    return Refusal(**{**row, **read})


# The row of who refuses at the same moment is waited for and judged as it is then: it is replaced once.
_RECORD: Final = """
INSERT INTO notify.refusal (
    alert_id, revision, agency, refused_at, reason, key_id, person_sealed, role_sealed, note_sealed
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
WHERE NOT EXISTS (SELECT FROM notify.acknowledgement k WHERE k.alert_id = $1)
ON CONFLICT (alert_id) DO UPDATE SET
    revision = excluded.revision, refused_at = excluded.refused_at, reason = excluded.reason,
    key_id = excluded.key_id, person_sealed = excluded.person_sealed, role_sealed = excluded.role_sealed,
    note_sealed = excluded.note_sealed
WHERE excluded.reason = 'conflict_of_interest' AND refusal.reason <> 'conflict_of_interest'
RETURNING true
"""
_SELECT: Final = """
SELECT alert_id, revision, agency, refused_at, reason, key_id, person_sealed, role_sealed, note_sealed
FROM notify.refusal WHERE alert_id = $1
"""
