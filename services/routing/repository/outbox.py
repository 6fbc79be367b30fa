"""What is not taken over yet, outside a batch: claimed to be published again."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from services.routing.repository.rows import OutboxMessage
from services.runtime.database import Pool, connection


class OutboxRepository:
    """Claiming moves the instant from which a message is due: if publishing fails, it is due again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim_from_lost_clusters(
        self, *, cluster_id: str, limit: int, pause: timedelta
    ) -> list[OutboxMessage]:
        """Messages last published to another cluster than this one, oldest first."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_CLAIM_LOST, cluster_id, limit, pause)
        return [OutboxMessage(*row) for row in rows]

    async def claim_due(self, *, cluster_id: str, limit: int) -> list[OutboxMessage]:
        """Messages that nobody took over in time; the next pause is as long as the message is old."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_CLAIM_DUE, cluster_id, limit)
        return [OutboxMessage(*row) for row in rows]

    async def delete(self, message_ids: Collection[UUID]) -> None:
        """What was handed over; of receipts, which have no revisions."""
        if message_ids:
            async with connection(self._pool) as acquired:
                await acquired.execute(_DELETE, list(message_ids))

    async def ensure_positions(self, *, cluster_id: str, topic: str, partitions: int) -> dict[int, int]:
        """The next offset of each partition; a new cluster's partitions start at 0."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_INSERT_POSITIONS, cluster_id, topic, partitions)
            rows = await acquired.fetch(_SELECT_POSITIONS, cluster_id, topic)
        return {row[0]: row[1] for row in rows}


_CLAIM_LOST = """
WITH claimed AS (
    UPDATE routing.outbox SET published_to = $1, publish_after = clock_timestamp() + $3
    WHERE (message_id, revision) IN (
        SELECT message_id, revision FROM routing.outbox
        WHERE published_to <> $1
        ORDER BY seq
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    RETURNING message_id, topic, key, record, seq
)
SELECT message_id, topic, key, record FROM claimed ORDER BY seq
"""

_CLAIM_DUE = """
WITH claimed AS (
    UPDATE routing.outbox
    SET published_to = $1, publish_after = clock_timestamp() + (clock_timestamp() - created_at)
    WHERE (message_id, revision) IN (
        SELECT message_id, revision FROM routing.outbox
        WHERE publish_after <= statement_timestamp()
        ORDER BY publish_after, seq
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    RETURNING message_id, topic, key, record, seq
)
SELECT message_id, topic, key, record FROM claimed ORDER BY seq
"""

_DELETE = """
DELETE FROM routing.outbox WHERE message_id = ANY ($1::uuid[])
"""

_INSERT_POSITIONS = """
INSERT INTO routing.position (cluster_id, topic, partition, next_offset)
SELECT $1, $2, partition, 0 FROM generate_series(0, $3::integer - 1) AS wanted (partition)
ON CONFLICT (cluster_id, topic, partition) DO NOTHING
"""

_SELECT_POSITIONS = """
SELECT partition, next_offset FROM routing.position WHERE cluster_id = $1 AND topic = $2
"""
