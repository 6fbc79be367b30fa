"""Deliveries as an operator sees them: what failed for good or waits, never what it says."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.notify.inspection import AttemptEntry, Criteria, DeliveryEntry, ReconciledAlert, Standing
from services.notify.repository.ladders import OVERTAKEN_BY
from services.notify.repository.rows import plain_uuid
from services.runtime.database import Pool, connection


class DeadLetterRepository:
    """Reads, and redrives. Raises one of database.TRANSIENT_ERRORS."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record_read(self, *, operator: str, what: str, detail: str, now: datetime) -> None:
        """Before it is answered: a look that nobody could count did not happen."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_RECORD_READ, now, operator, what, detail)

    async def list_entries(
        self, standing: Standing, criteria: Criteria, *, before: UUID | None, limit: int
    ) -> list[DeliveryEntry]:
        """The newest first; `before` is the last one of the page before."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_LIST[standing], *_values(criteria), before, limit)
        return [_read_entry(row) for row in rows]

    async def count(self, standing: Standing, criteria: Criteria) -> int:
        """How many there are, on all pages."""
        async with connection(self._pool) as acquired:
            return int(await acquired.fetchval(_COUNT[standing], *_values(criteria)))

    async def count_all(self) -> int:
        """By the index of dead letters, however many deliveries there are."""
        async with connection(self._pool) as acquired:
            return int(await acquired.fetchval(COUNT_ALL))

    async def find(self, delivery_id: UUID) -> tuple[DeliveryEntry, list[AttemptEntry]] | None:
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_FIND, delivery_id)
            attempts = await acquired.fetch(_ATTEMPTS, delivery_id)
        if row is None:
            return None
        return _read_entry(row), [AttemptEntry(**dict(attempt)) for attempt in attempts]

    async def list_stored(self, *, agency: str, since: datetime, until: datetime) -> list[ReconciledAlert]:
        """Of a feed, what was stored in this while."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_STORED, agency, since, until)
        return [
            ReconciledAlert(
                webhook_id=f"{plain_uuid(row['alert_id'])}_{row['revision']}",
                alert_id=plain_uuid(row["alert_id"]),
                revision=row["revision"],
                stored_at=row["stored_at"],
            )
            for row in rows
        ]

    async def list_redrivable(
        self, criteria: Criteria, *, delivery_ids: Sequence[UUID] | None, limit: int
    ) -> list[UUID]:
        """Dead letters that are still worth an attempt, the oldest first."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_REDRIVABLE, *_values(criteria), delivery_ids, limit)
        return [plain_uuid(row["delivery_id"]) for row in rows]

    async def redrive(self, delivery_ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
        """Makes them due, with a schedule that begins anew; those that still are dead letters."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_REDRIVE, delivery_ids, now)
        return [plain_uuid(row["delivery_id"]) for row in rows]


def _values(criteria: Criteria) -> tuple[object, ...]:
    return criteria.agency, criteria.endpoint_id, criteria.since, criteria.until


def _read_entry(row: asyncpg.Record) -> DeliveryEntry:
    values = dict(row)
    for name in ("delivery_id", "alert_id"):
        values[name] = plain_uuid(values[name])
    if values["overtaken_by"] is not None:
        values["overtaken_by"] = plain_uuid(values["overtaken_by"])
    return DeliveryEntry(**values)


_RECORD_READ: Final = "INSERT INTO notify.read (at, operator, what, detail) VALUES ($1, $2, $3, $4)"

# A later rung of the ladder reached the agency: no dead letter. Not EXISTS, which might read every alert.
_NOT_OVERTAKEN: Final = f"({OVERTAKEN_BY}) IS NULL"

_COLUMNS: Final = f"""
    d.delivery_id, d.alert_id, d.revision, a.agency, d.channel, d.target AS endpoint_id, d.state, a.urgency,
    a.exercise, a.decided_at, a.acknowledge_by, d.attempts, d.due_at, last.started_at AS attempted_at,
    last.outcome, last.status_code, last.enhanced_code, last.detail,
    CASE WHEN d.state NOT IN ('delivered', 'acknowledged', 'declined') THEN ({OVERTAKEN_BY}) END
        AS overtaken_by
"""
_FROM: Final = """
FROM notify.delivery d
JOIN notify.alert a USING (alert_id, revision)
LEFT JOIN LATERAL (
    SELECT started_at, outcome, status_code, enhanced_code, detail FROM notify.attempt t
    WHERE t.delivery_id = d.delivery_id ORDER BY number DESC LIMIT 1
) last ON true
"""
_CRITERIA: Final = """
    ($1::text IS NULL OR a.agency = $1) AND ($2::text IS NULL OR d.target = $2)
    AND ($3::timestamptz IS NULL OR a.decided_at >= $3) AND ($4::timestamptz IS NULL OR a.decided_at < $4)
"""

# An alert that a person answered, that was stopped, or that a later revision replaced is not sent again; what
# an update or a cancel took the place of is no dead letter any more, nor is what a later rung overtook.
# Each is looked up by its key: as NOT EXISTS they might be read whole.
_STILL_WANTED: Final = f"""
    d.state IN ('refused', 'exhausted')
    AND (SELECT k.alert_id FROM notify.acknowledgement k WHERE k.alert_id = d.alert_id) IS NULL
    AND (SELECT k.alert_id FROM notify.refusal k WHERE k.alert_id = d.alert_id) IS NULL
    AND (
        SELECT newer.alert_id FROM notify.alert newer
        WHERE newer.alert_id = d.alert_id AND newer.revision > d.revision
        LIMIT 1
    ) IS NULL
    AND {_NOT_OVERTAKEN}
"""  # noqa: S608 -- text of ours
_STATES: Final = {
    Standing.DEAD: _STILL_WANTED,
    Standing.PENDING: "d.state = 'pending'",
}
_LIST: Final = {
    standing: f"""
SELECT {_COLUMNS} {_FROM}
WHERE {states} AND {_CRITERIA} AND ($5::uuid IS NULL OR d.delivery_id < $5)
ORDER BY d.delivery_id DESC
LIMIT $6
"""
    for standing, states in _STATES.items()
}
_COUNT: Final = {
    standing: f"""
SELECT count(*) FROM notify.delivery d JOIN notify.alert a USING (alert_id, revision)
WHERE {states} AND {_CRITERIA}
"""  # noqa: S608 -- text of ours
    for standing, states in _STATES.items()
}

COUNT_ALL: Final = f"""
SELECT count(*) FROM notify.delivery d WHERE {_STILL_WANTED}
"""  # noqa: S608 -- text of ours

_FIND: Final = f"SELECT {_COLUMNS} {_FROM} WHERE d.delivery_id = $1"

_ATTEMPTS: Final = """
SELECT number, started_at, duration_ms, outcome, status_code, enhanced_code, detail
FROM notify.attempt WHERE delivery_id = $1 ORDER BY number
"""

_REDRIVABLE: Final = f"""
SELECT d.delivery_id
FROM notify.delivery d JOIN notify.alert a USING (alert_id, revision)
WHERE {_STILL_WANTED} AND {_CRITERIA} AND ($5::uuid[] IS NULL OR d.delivery_id = ANY ($5))
ORDER BY d.delivery_id
LIMIT $6
"""  # noqa: S608 -- text of ours

# Asked again: it may have been acknowledged or replaced since they were listed. A stop, a later revision or
# an update ends dead letters by their rows: it comes before this and is seen, or after it and ends them.
_REDRIVE: Final = f"""
UPDATE notify.delivery d
SET state = 'pending', due_at = $2, leased_by = NULL, earlier_attempts = attempts
WHERE d.delivery_id = ANY ($1::uuid[]) AND {_STILL_WANTED}
RETURNING d.delivery_id
"""  # noqa: S608 -- text of ours

# A stop is no webhook, and neither is a review of duties.
_STORED: Final = """
SELECT alert_id, revision, stored_at
FROM notify.alert
WHERE agency = $1 AND stored_at >= $2 AND stored_at < $3 AND command IN ('deliver', 'amend')
ORDER BY feed_position
"""
