"""The outbox: receipts that are facts already and that routing does not have yet."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.notify.receipts import Receipt, pack, unpack
from services.notify.repository.rows import ReceiptBatch
from services.runtime.database import Connection, Pool, connection


async def insert_receipts(
    acquired: Connection, receipts: Sequence[Receipt], *, member: str, now: datetime
) -> ReceiptBatch | None:
    """Within the transaction of the facts that the receipts tell; None if there are none."""
    if not receipts:
        return None
    batch_id: int = await acquired.fetchval(_INSERT, member, now, pack(receipts))
    return ReceiptBatch(batch_id, receipts)


class OutboxRepository:
    """What is published, what is not, and what routing has."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert(self, receipts: Sequence[Receipt], *, member: str, now: datetime) -> ReceiptBatch | None:
        """Facts that are stored already and of which nothing tells yet."""
        async with connection(self._pool) as acquired:
            return await insert_receipts(acquired, receipts, member=member, now=now)

    async def mark_published(
        self, batch_ids: Sequence[int], *, cluster_id: str, next_offsets: Mapping[int, int]
    ) -> None:
        """These batches, published together, are routing's once it has committed these offsets."""
        async with connection(self._pool) as acquired:
            await acquired.execute(
                _MARK, batch_ids, cluster_id, list(next_offsets), list(next_offsets.values())
            )

    async def claim_own(
        self, *, member: str, cluster_id: str, now: datetime, limit: int
    ) -> list[ReceiptBatch]:
        """At the start: what an earlier life of this member left, and what went to another cluster."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_CLAIM_OWN, member, cluster_id, now, limit)
        return [ReceiptBatch(row["batch_id"], unpack(row["receipts"])) for row in rows]

    async def claim_abandoned(
        self,
        *,
        member: str,
        cluster_id: str,
        now: datetime,
        abandoned_since: datetime,
        held: Sequence[int],
        limit: int,
    ) -> list[ReceiptBatch]:
        """Later: what was claimed long ago and never published here; `held` is in memory, to be published.

        Of this member as well: a statement whose answer was lost may have written what nobody knows of.
        """
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(
                _CLAIM_ABANDONED, member, now, abandoned_since, limit, cluster_id, held
            )
        return [ReceiptBatch(row["batch_id"], unpack(row["receipts"])) for row in rows]

    async def delete_taken_over(self, *, cluster_id: str, committed: Mapping[int, int]) -> int:
        """Forgets the batches that routing's committed offsets have passed; how many."""
        async with connection(self._pool) as acquired:
            deleted: int = await acquired.fetchval(
                _DELETE, cluster_id, list(committed), list(committed.values())
            )
        return deleted


_INSERT = "INSERT INTO notify.outbox (member, claimed_at, receipts) VALUES ($1, $2, $3) RETURNING batch_id"

_MARK = """
UPDATE notify.outbox SET cluster_id = $2, partitions = $3::integer[], next_offsets = $4::bigint[]
WHERE batch_id = ANY ($1::bigint[])
"""

_CLAIM = """
WITH chosen AS (
    SELECT batch_id FROM notify.outbox WHERE {condition} ORDER BY batch_id LIMIT $4 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE notify.outbox o
    SET member = $1, claimed_at = {now}, cluster_id = NULL, partitions = NULL, next_offsets = NULL
    FROM chosen c WHERE o.batch_id = c.batch_id
    RETURNING o.batch_id, o.receipts
)
SELECT batch_id, receipts FROM claimed ORDER BY batch_id
"""
# Once claimed, a batch looks like one this member just wrote: `claimed_at` tells this life from the last.
_CLAIM_OWN = _CLAIM.format(
    condition="cluster_id <> $2 OR (cluster_id IS NULL AND member = $1 AND claimed_at < $3)", now="$3"
)
_CLAIM_ABANDONED = _CLAIM.format(
    condition=(
        "(cluster_id IS NULL OR cluster_id <> $5) AND claimed_at < $3 AND batch_id <> ALL ($6::bigint[])"
    ),
    now="$2",
)

_DELETE = """
WITH gone AS (
    DELETE FROM notify.outbox o
    WHERE o.cluster_id = $1 AND NOT EXISTS (
        SELECT FROM unnest(o.partitions, o.next_offsets) AS published (partition, next_offset)
        LEFT JOIN unnest($2::integer[], $3::bigint[]) AS taken (partition, position) USING (partition)
        WHERE coalesce(taken.position, 0) < published.next_offset
    )
    RETURNING 1
)
SELECT count(*) FROM gone
"""
