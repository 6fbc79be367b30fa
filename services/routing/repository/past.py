"""Which records of the log were decided, when and by which directory, as a backtest reads them."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from services.routing.repository.reads import record_read
from services.runtime.database import Pool, connection


class DecidedRecord(NamedTuple):
    """Where a decided record stands in the log, and what it was decided by."""

    cluster_id: str
    partition: int
    offset: int
    at: datetime
    directory_version: int


class PastRepository:
    """Reads whole cases."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record_backtest(self, *, operator: str, detail: str) -> None:
        """Before anything is read: a read that fails half-way was one, too."""
        async with connection(self._pool) as acquired:
            await record_read(acquired, operator=operator, what="events.backtested", detail=detail)

    async def list_decided(
        self, *, topic: str, since: datetime | None, until: datetime | None
    ) -> list[DecidedRecord]:
        """Every record up to `until` of each case with a decision in between, in the order of deciding.

        Those with another's id belong to it: they told coordinators, and may have named a conflict.
        """
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_LIST_DECIDED, since, until, topic)
        return [DecidedRecord(*row) for row in rows]

    async def list_directories(self, versions: Collection[int]) -> dict[int, str]:
        """Each snapshot as JSON."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_LIST_DIRECTORIES, list(versions))
        return {row["version"]: row["snapshot"] for row in rows}


_LIST_DECIDED = """
WITH wanted AS (
    SELECT DISTINCT case_ref
    FROM routing.decision
    WHERE ($1::timestamptz IS NULL OR decided_at >= $1) AND ($2::timestamptz IS NULL OR decided_at < $2)
)
SELECT cluster_id, partition, "offset", decided_at AS at, directory_version
FROM routing.decision JOIN wanted USING (case_ref)
WHERE $2 IS NULL OR decided_at < $2
UNION ALL
SELECT cluster_id, partition, "offset", quarantined_at, (
    SELECT max(version) FROM routing.directory WHERE applied_at <= quarantined_at
)
FROM routing.quarantine JOIN wanted USING (case_ref)
WHERE ($2 IS NULL OR quarantined_at < $2) AND topic = $3 AND reason = 'id_reused'
ORDER BY at, cluster_id, partition, "offset"
"""
_LIST_DIRECTORIES = (
    "SELECT version, snapshot::text AS snapshot FROM routing.directory WHERE version = ANY($1::int[])"
)
