"""Heartbeats: when each endpoint's next one is due, what it covers, and how it was received."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from services.notify.delivery import Attempt
from services.notify.heartbeats import DueHeartbeat, FeedPlace, Told
from services.notify.repository.rows import plain_uuid
from services.runtime.database import Pool, connection, transaction


class HeartbeatRepository:
    """By PostgreSQL's clock, so that several processes agree on what is due."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def enrol(self, endpoints: Collection[tuple[str, str]], *, period: timedelta) -> None:
        """(endpoint, agency): new ones begin with what is stored from about now on."""
        ids, agencies = [name for name, _ in endpoints], [agency for _, agency in endpoints]
        async with connection(self._pool) as acquired:
            await acquired.execute(_ENROL, ids, agencies, period)

    async def claim(
        self, endpoint_ids: Collection[str], *, period: timedelta, lease: timedelta, limit: int
    ) -> list[DueHeartbeat]:
        """Those that are due, for as long as the lease lasts."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_CLAIM, list(endpoint_ids), lease, limit, period)
        return [DueHeartbeat(**dict(row)) for row in rows]

    async def list_places(self, due: DueHeartbeat, *, limit: int) -> list[FeedPlace]:
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_PLACES, due.agency, due.covered_until, due.endpoint_id, limit)
        return [FeedPlace(row[0], plain_uuid(row[1]), *tuple(row)[2:]) for row in rows]

    async def record(self, due: DueHeartbeat, told: Told, attempt: Attempt) -> None:
        """How it was received; what nobody took is told again by the next one."""
        is_taken = attempt.outcome.value == "delivered"
        async with transaction(self._pool) as acquired:
            await acquired.execute(
                _LOG,
                due.endpoint_id,
                due.sequence,
                due.now,
                len(told.alerts),
                attempt.outcome.value,
                attempt.status_code,
                attempt.detail,
            )
            await acquired.execute(
                _SETTLE,
                due.endpoint_id,
                due.sequence,
                told.covered_until if is_taken else due.covered_until,
                told.until if is_taken else due.covered_at,
                due.now if is_taken and told.more else due.next_at,
            )


# A minute back: alerts may have been planned for it by whoever knew the directory first.
_ENROL: Final = """
INSERT INTO notify.heartbeat AS kept (endpoint_id, agency, sequence, covered_until, covered_at, due_at)
SELECT endpoint_id, agency, 1, coalesce((
        SELECT a.feed_position FROM notify.alert a
        WHERE a.agency = fresh.agency AND a.stored_at < now() - interval '1 minute'
        ORDER BY a.feed_position DESC NULLS LAST LIMIT 1
    ), 0), now() - interval '1 minute', now() + $3::interval
FROM unnest($1::text[], $2::text[]) AS fresh (endpoint_id, agency)
ON CONFLICT (endpoint_id) DO UPDATE SET due_at = least(kept.due_at, now() + $3::interval)
WHERE kept.due_at > now() + $3::interval
"""

# The next is due on the grid of the first, however long nobody was there to send one.
_CLAIM: Final = """
WITH chosen AS (
    SELECT endpoint_id FROM notify.heartbeat
    WHERE endpoint_id = ANY ($1::text[]) AND due_at <= now()
        AND (leased_until IS NULL OR leased_until <= now())
    ORDER BY due_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE notify.heartbeat h SET leased_until = now() + $2::interval
FROM chosen WHERE h.endpoint_id = chosen.endpoint_id
RETURNING h.endpoint_id, h.agency, h.sequence, h.covered_until, h.covered_at, now() AS now,
    h.due_at + $4::interval * (
        1 + floor(extract(epoch FROM now() - h.due_at) / extract(epoch FROM $4::interval))
    )::float8 AS next_at
"""

# A stop is no webhook, and neither is a review of duties. What was superseded is not expected.
_PLACES: Final = """
SELECT a.feed_position, a.alert_id, a.revision, a.stored_at, a.command IN ('deliver', 'amend') AND EXISTS (
    SELECT FROM notify.delivery d
    WHERE d.alert_id = a.alert_id AND d.revision = a.revision AND d.channel = 'webhook' AND d.target = $3
        AND d.state <> 'superseded'
)
FROM notify.alert a
WHERE a.agency = $1 AND a.feed_position > $2
ORDER BY a.feed_position
LIMIT $4
"""

_LOG: Final = """
INSERT INTO notify.heartbeat_attempt (
    endpoint_id, sequence, started_at, alert_count, outcome, status_code, detail
) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (endpoint_id, sequence, started_at) DO NOTHING
"""

_SETTLE: Final = """
UPDATE notify.heartbeat
SET sequence = sequence + 1, covered_until = $3, covered_at = $4, due_at = $5, leased_until = NULL
WHERE endpoint_id = $1 AND sequence = $2
"""
