"""Endpoints that are spared: kept, so that neither a restart nor another process forgets it."""

from collections.abc import Sequence
from typing import Final

from services.notify.breaker import Suspension, SuspensionReason
from services.runtime.database import Pool, connection, transaction


class SuspensionRepository:
    """One row for each endpoint that is suspended."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_all(self) -> list[Suspension]:
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_SELECT)
        return [
            Suspension(
                endpoint_id=row["endpoint_id"],
                agency=row["agency"],
                reason=SuspensionReason(row["reason"]),
                since=row["since"],
                probe_at=row["probe_at"],
                probes=row["probes"],
            )
            for row in rows
        ]

    async def record(self, suspension: Suspension) -> None:
        """The first one counts, whichever process found it."""
        async with connection(self._pool) as acquired:
            await acquired.execute(
                _INSERT,
                suspension.endpoint_id,
                suspension.agency,
                suspension.reason,
                suspension.since,
                suspension.probe_at,
                suspension.probes,
            )

    async def end(self, endpoint_ids: Sequence[str]) -> int:
        """Whatever waits for these endpoints is due at once; how many deliveries that are."""
        async with transaction(self._pool) as acquired:
            await acquired.execute(_DELETE, endpoint_ids)
            released: int = await acquired.fetchval(_RELEASE, endpoint_ids)
        return released


_SELECT: Final = "SELECT endpoint_id, agency, reason, since, probe_at, probes FROM notify.suspension"

_INSERT: Final = """
INSERT INTO notify.suspension (endpoint_id, agency, reason, since, probe_at, probes)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (endpoint_id) DO NOTHING
"""

_DELETE: Final = "DELETE FROM notify.suspension WHERE endpoint_id = ANY ($1::text[])"

_RELEASE: Final = """
WITH released AS (
    UPDATE notify.delivery SET due_at = now()
    WHERE lane = ANY ($1::text[]) AND state = 'pending' AND leased_by IS NULL AND due_at > now()
    RETURNING 1
)
SELECT count(*) FROM released
"""
