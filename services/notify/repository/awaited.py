"""Alerts that wait for somebody: each is told late or unreachable once, unless it is acknowledged first."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg

from services.notify import receipts
from services.notify.delivery import FAILED_AFTER
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import ReceiptBatch, UntakenAlert, plain_uuid
from services.runtime.database import Connection, Pool, transaction

Waiting: TypeAlias = Sequence[tuple[datetime, UUID]]
"""Until when, and which alert."""


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
            facts = [receipts.unacknowledged(_read(row), at=now) for row in rows]
            return await insert_receipts(acquired, facts, member=member, now=now)


async def lock_awaited(acquired: Connection, alert_ids: Collection[UUID]) -> Waiting:
    """Which of these wait; whoever else would end their waiting waits for this transaction.

    Taken before the deliveries of an alert, as by an acknowledgement.
    """
    return [(row["acknowledge_by"], row["alert_id"]) for row in await acquired.fetch(_LOCK, alert_ids)]


async def record_unreachable(
    acquired: Connection, locked: Waiting, *, now: datetime, member: str
) -> ReceiptBatch | None:
    """Of these, those whose every path has failed by now wait no more, and a receipt says so.

    Two paths that fail in two processes at once are both seen by whoever had to wait for the lock.
    """
    rows = await acquired.fetch(_TAKE_UNREACHABLE, *zip(*locked, strict=True), FAILED_AFTER)
    facts = [receipts.unreachable(_read(row), at=now) for row in rows]
    return await insert_receipts(acquired, facts, member=member, now=now)


async def record_without_path(
    acquired: Connection, locked: Waiting, *, now: datetime, member: str
) -> ReceiptBatch | None:
    """Of these, those of which no path is left to be tried: likewise.

    Within the transaction that stores them, and so once: one that comes again waits no more.
    """
    if not locked:
        return None
    rows = await acquired.fetch(_TAKE_WITHOUT_PATH, *zip(*locked, strict=True))
    facts = [receipts.unreachable(_read(row), at=now) for row in rows]
    return await insert_receipts(acquired, facts, member=member, now=now)


def _read(row: asyncpg.Record) -> UntakenAlert:
    return UntakenAlert(plain_uuid(row["alert_id"]), *tuple(row)[1:])


# Row by row and in the order given, through the indexes, however small the tables were when it was planned.
_LOCK: Final = """
SELECT waiting.acknowledge_by, waiting.alert_id
FROM unnest($1::uuid[]) AS given (alert_id)
CROSS JOIN LATERAL (
    SELECT acknowledge_by FROM notify.alert a WHERE a.alert_id = given.alert_id ORDER BY revision LIMIT 1
) AS told
CROSS JOIN LATERAL (
    SELECT w.acknowledge_by, w.alert_id
    FROM notify.awaited w
    WHERE w.acknowledge_by = told.acknowledge_by AND w.alert_id = given.alert_id
    FOR UPDATE
) AS waiting
"""

_TAKE: Final = """
WITH {chosen}, taken AS (
    DELETE FROM notify.awaited w USING {name}
    WHERE w.acknowledge_by = {name}.acknowledge_by AND w.alert_id = {name}.alert_id
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
_TAKE_LATE: Final = _TAKE.format(
    name="late",
    chosen="""late AS (
    SELECT acknowledge_by, alert_id
    FROM notify.awaited
    WHERE acknowledge_by <= $1
    ORDER BY acknowledge_by, alert_id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)""",
)

# What was superseded is no path of it any more. Who holds a lease is counted with an attempt that may arrive.
_TAKE_UNREACHABLE: Final = _TAKE.format(
    name="failed",
    chosen="""failed AS (
    SELECT waiting.acknowledge_by, waiting.alert_id
    FROM unnest($1::timestamptz[], $2::uuid[]) AS waiting (acknowledge_by, alert_id)
    CROSS JOIN LATERAL (
        SELECT bool_and(
            d.state IN ('refused', 'exhausted')
            OR (
                d.state = 'pending'
                AND d.attempts - d.earlier_attempts - (d.leased_by IS NOT NULL)::integer >= $3
            )
        ) AS have_failed
        FROM notify.delivery d
        WHERE d.alert_id = waiting.alert_id AND d.state <> 'superseded'
    ) AS paths
    WHERE paths.have_failed
)""",
)

_TAKE_WITHOUT_PATH: Final = _TAKE.format(
    name="pathless",
    chosen="""pathless AS (
    SELECT waiting.acknowledge_by, waiting.alert_id
    FROM unnest($1::timestamptz[], $2::uuid[]) AS waiting (acknowledge_by, alert_id)
    WHERE NOT EXISTS (
        SELECT FROM notify.delivery d WHERE d.alert_id = waiting.alert_id AND d.state <> 'superseded'
    )
)""",
)
