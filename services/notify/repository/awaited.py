"""Alerts that wait for somebody: each is told late once, unless somebody acknowledges it first."""

from datetime import datetime
from typing import Final

from services.notify import receipts
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import LateAlert, ReceiptBatch, plain_uuid
from services.runtime.database import Pool, transaction


class AwaitedRepository:
    """Rows are made by the statement that stores an alert, and taken off once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record_late(self, *, now: datetime, limit: int, member: str) -> ReceiptBatch | None:
        """One transaction: what is late by now waits no more, and a receipt says so; None if nothing is.

        What another process reports or somebody acknowledges at this moment is theirs.
        """
        async with transaction(self._pool) as acquired:
            rows = await acquired.fetch(_TAKE_LATE, now, limit)
            late = [LateAlert(plain_uuid(row["alert_id"]), *tuple(row)[1:]) for row in rows]
            facts = [receipts.unacknowledged(alert, at=now) for alert in late]
            return await insert_receipts(acquired, facts, member=member, now=now)


_TAKE_LATE: Final = """
WITH late AS (
    SELECT acknowledge_by, alert_id
    FROM notify.awaited
    WHERE acknowledge_by <= $1
    ORDER BY acknowledge_by, alert_id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM notify.awaited w USING late
    WHERE w.acknowledge_by = late.acknowledge_by AND w.alert_id = late.alert_id
    RETURNING w.alert_id
)
SELECT newest.alert_id, newest.revision, newest.agency, newest.case_ref, newest.correlation_id
FROM taken
CROSS JOIN LATERAL (
    SELECT a.alert_id, a.revision, a.agency, a.case_ref, a.correlation_id
    FROM notify.alert a
    WHERE a.alert_id = taken.alert_id
    ORDER BY a.revision DESC
    LIMIT 1
) newest
"""
