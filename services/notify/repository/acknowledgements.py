"""Acknowledgements: the first one counts, and what is still pending of its alert is no longer needed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.notify.delivery import DeliveryState
from services.notify.receipts import Receipt
from services.notify.repository.endings import end_waiting
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import ReceiptBatch, plain_uuid
from services.runtime.database import Connection, Pool, connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Who took responsibility and when; the names are sealed, None where there was no key to seal them."""

    alert_id: UUID
    revision: int
    agency: str
    acknowledged_at: datetime
    key_id: UUID
    person_sealed: bytes | None = field(repr=False)
    role_sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The first acknowledgement of the alert; receipts only if it is the one just given."""

    first: Acknowledgement
    receipts: ReceiptBatch | None


class AcknowledgementRepository:
    """One acknowledgement an alert."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(self, given: Acknowledgement, receipt: Receipt, *, member: str) -> Recorded:
        """One transaction: the acknowledgement unless there is one, the end of all retries, the receipt."""
        async with transaction(self._pool) as acquired:
            inserted = await acquired.fetchval(
                _INSERT,
                given.alert_id,
                given.revision,
                given.agency,
                given.acknowledged_at,
                given.key_id,
                given.person_sealed,
                given.role_sealed,
            )
            if inserted is None:
                return Recorded(await _get(acquired, given.alert_id), None)
            await end_waiting(acquired, given.alert_id, state=DeliveryState.ACKNOWLEDGED)
            batch = await insert_receipts(acquired, [receipt], member=member, now=given.acknowledged_at)
        return Recorded(given, batch)

    async def find(self, alert_id: UUID) -> Acknowledgement | None:
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_SELECT, alert_id)
        return None if row is None else _read(row)


async def _get(acquired: Connection, alert_id: UUID) -> Acknowledgement:
    row = await acquired.fetchrow(_SELECT, alert_id)
    if row is None:
        raise LookupError("an acknowledgement that conflicted is not there")
    return _read(row)


def _read(row: asyncpg.Record) -> Acknowledgement:
    ids = {"alert_id": plain_uuid(row["alert_id"]), "key_id": plain_uuid(row["key_id"])}
    return Acknowledgement(**{**row, **ids})


_INSERT: Final = """
INSERT INTO notify.acknowledgement (
    alert_id, revision, agency, acknowledged_at, key_id, person_sealed, role_sealed
) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (alert_id) DO NOTHING
RETURNING true
"""
_SELECT: Final = """
SELECT alert_id, revision, agency, acknowledged_at, key_id, person_sealed, role_sealed
FROM notify.acknowledgement WHERE alert_id = $1
"""
