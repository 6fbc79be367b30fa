"""Who is signed in, and what they read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.alert import AlertRecord
from services.notify.repository.people import PERSON_COLUMNS, PersonRow, read_person
from services.runtime.database import Pool, connection, transaction


class SessionRepository:
    """Sessions by the hash of their token."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(
        self, token_hash: bytes, *, person_id: UUID, now: datetime, begun_after: datetime
    ) -> None:
        """And forgets those that began before this instant: their time is over."""
        async with transaction(self._pool) as acquired:
            await acquired.execute(_FORGET_OLD, begun_after)
            await acquired.execute(_INSERT, token_hash, person_id, now)

    async def find(
        self, token_hash: bytes, *, now: datetime, seen_after: datetime, begun_after: datetime
    ) -> PersonRow | None:
        """Whose it is, seen now; None for one that rested too long, or is too old."""
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_TOUCH, token_hash, now, seen_after, begun_after)
        return None if row is None else read_person(row)

    async def end(self, token_hash: bytes) -> None:
        async with connection(self._pool) as acquired:
            await acquired.execute(_END, token_hash)

    async def end_all_but(self, contact_ids: Sequence[str]) -> int:
        """Of people whose contact is none of these; how many."""
        async with connection(self._pool) as acquired:
            ended: int = await acquired.fetchval(_END_ALL_BUT, contact_ids)
        return ended

    async def record_read(
        self,
        record: AlertRecord,
        *,
        person_id: UUID,
        person_sealed: bytes | None,
        role_sealed: bytes | None,
        now: datetime,
    ) -> None:
        async with connection(self._pool) as acquired:
            await acquired.execute(
                _INSERT_READ,
                now,
                record.alert_id,
                record.revision,
                record.agency,
                person_id,
                record.key_id,
                person_sealed,
                role_sealed,
            )


_FORGET_OLD: Final = "DELETE FROM notify.session WHERE begun_at <= $1"
_INSERT: Final = """
INSERT INTO notify.session (token_hash, person_id, begun_at, seen_at) VALUES ($1, $2, $3, $3)
"""
_TOUCH: Final = f"""
UPDATE notify.session s SET seen_at = $2
FROM notify.person p
WHERE s.token_hash = $1 AND p.person_id = s.person_id AND s.seen_at > $3 AND s.begun_at > $4
RETURNING {PERSON_COLUMNS}
"""  # noqa: S608 -- columns of ours
_END: Final = "DELETE FROM notify.session WHERE token_hash = $1"
_END_ALL_BUT: Final = """
WITH ended AS (
    DELETE FROM notify.session s USING notify.person p
    WHERE p.person_id = s.person_id AND NOT p.contact_id = ANY ($1::text[])
    RETURNING 1
)
SELECT count(*) FROM ended
"""
_INSERT_READ: Final = """
INSERT INTO notify.alert_read (
    read_at, alert_id, revision, agency, person_id, key_id, person_sealed, role_sealed
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
