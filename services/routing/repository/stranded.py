"""What nobody would ever look at again: rows without a next step, which no code of ours should make."""

from collections.abc import Mapping
from datetime import timedelta

from services.runtime.database import Pool, connection


class StrandedRepository:
    """Counts, and changes nothing: what is found is a fault of ours, and somebody must look."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count(self, *, patience: timedelta, looks_back: timedelta) -> Mapping[str, int]:
        """By kind. What should have been seen to for `patience`; alerts as far back as it looks."""
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_COUNT, patience, looks_back)
        return {} if row is None else dict(row)


# An alert that was decided is on its way in the outbox, or notify told of it. One that climbs has a ladder
# until somebody takes it: before its time is over nothing else ends that, unless its rungs fail.
_COUNT = """
WITH recent AS (
    SELECT a.alert_id, a.revision, a.form, a.kind, a.escalation, a.source, a.acknowledge_by
    FROM routing.alert a
    WHERE a.decided_at < statement_timestamp() - $1::interval
        AND a.decided_at >= statement_timestamp() - $2::interval
        AND a.contact IS NOT NULL
)
SELECT
    (
        SELECT count(*) FROM recent a
        WHERE NOT EXISTS (SELECT FROM routing.outbox o WHERE o.message_id = a.alert_id)
            AND NOT EXISTS (SELECT FROM routing.receipt f WHERE f.alert_id = a.alert_id)
    ) AS alerts_not_published,
    (
        SELECT count(*) FROM recent a
        WHERE a.revision = 1 AND a.form = 'alert' AND a.kind IN ('alert', 'update') AND a.escalation = 0
            AND a.acknowledge_by > statement_timestamp()
            AND NOT EXISTS (SELECT FROM routing.ladder l WHERE l.alert_id = a.alert_id)
            AND NOT EXISTS (
                SELECT FROM routing.receipt f
                WHERE f.alert_id = a.alert_id AND f.kind IN ('acknowledged', 'unreachable', 'refused')
            )
    ) AS alerts_without_ladder,
    (
        SELECT count(*) FROM routing.ladder WHERE due < statement_timestamp() - $1::interval
    ) AS ladders_not_climbed,
    (
        SELECT count(*) FROM routing.outbox WHERE created_at < statement_timestamp() - $1::interval
    ) AS messages_not_taken
"""
