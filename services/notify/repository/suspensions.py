"""Endpoints that are spared: kept, so that neither a restart nor another process forgets it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.notify import receipts
from services.notify.breaker import Resumed, Suspended, Suspension, SuspensionReason
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import ReceiptBatch
from services.runtime.database import Connection, Pool, connection, transaction


@dataclass(frozen=True, slots=True)
class Ended:
    """How many deliveries are due again, and what is to be published."""

    released_count: int
    receipts: ReceiptBatch | None


class SuspensionRepository:
    """One row for each endpoint that is suspended."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_all(self) -> list[Suspension]:
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_SELECT)
        return [_read(row) for row in rows]

    async def record(self, change: Suspended, *, member: str, now: datetime) -> ReceiptBatch | None:
        """The first one counts, whichever process found it, and is told."""
        suspension = change.suspension
        async with transaction(self._pool) as acquired:
            is_first = await acquired.fetchval(
                _INSERT,
                suspension.endpoint_id,
                suspension.agency,
                suspension.reason,
                suspension.since,
                suspension.probe_at,
                suspension.probes,
            )
            told = [receipts.endpoint_changed(change, at=now)] if is_first else []
            return await insert_receipts(acquired, told, member=member, now=now)

    async def end(self, endpoint_id: str, *, member: str, now: datetime) -> Ended:
        """Whatever waits for this endpoint is due at once; that the suspension is over is told."""
        async with transaction(self._pool) as acquired:
            rows = await acquired.fetch(_DELETE, endpoint_id)
            told = [receipts.endpoint_changed(Resumed(_read(row)), at=now) for row in rows]
            released = await _release(acquired, endpoint_id)
            return Ended(released, await insert_receipts(acquired, told, member=member, now=now))

    async def release(self, endpoint_id: str) -> int:
        """Whatever waits for this endpoint is due at once, but for what is under way; how much that was."""
        async with connection(self._pool) as acquired:
            return await _release(acquired, endpoint_id)


async def _release(acquired: Connection, endpoint_id: str) -> int:
    released: int = await acquired.fetchval(_RELEASE, endpoint_id)
    return released


def _read(row: asyncpg.Record) -> Suspension:
    return Suspension(
        endpoint_id=row["endpoint_id"],
        agency=row["agency"],
        reason=SuspensionReason(row["reason"]),
        since=row["since"],
        probe_at=row["probe_at"],
        probes=row["probes"],
    )


_SELECT: Final = "SELECT endpoint_id, agency, reason, since, probe_at, probes FROM notify.suspension"

_INSERT: Final = """
INSERT INTO notify.suspension (endpoint_id, agency, reason, since, probe_at, probes)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (endpoint_id) DO NOTHING
RETURNING true
"""

_DELETE: Final = """
DELETE FROM notify.suspension WHERE endpoint_id = $1
RETURNING endpoint_id, agency, reason, since, probe_at, probes
"""

_RELEASE: Final = """
WITH released AS (
    UPDATE notify.delivery SET due_at = now()
    WHERE lane = $1 AND state = 'pending' AND leased_by IS NULL AND due_at > now()
    RETURNING 1
)
SELECT count(*) FROM released
"""
