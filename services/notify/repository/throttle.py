"""How often somebody tried: in PostgreSQL, for every process and over restarts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.runtime.database import Pool, connection


@dataclass(frozen=True, slots=True)
class Tally:
    """So many tries in a while that ends then."""

    count: int
    until: datetime


class ThrottleRepository:
    """Tries by whatever is limited: a keyed digest of a name or an address."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count(
        self, subjects: Sequence[bytes], *, now: datetime, until: datetime
    ) -> Mapping[bytes, Tally]:
        """One more of each; a while that is over begins anew and ends at `until`."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_FORGET, now)
            rows = await acquired.fetch(_COUNT, subjects, until, now)
        return {row["subject"]: Tally(row["tries"], row["ends_at"]) for row in rows}

    async def forgive(self, subjects: Sequence[bytes]) -> None:
        """The last try was a good one: it does not count."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_FORGIVE, subjects)


# Tidies up, in a transaction of its own, and waits for nobody: holding these rows and waiting for another,
# it would wait in a circle with a try that has the other and needs one of these.
_FORGET: Final = """
DELETE FROM notify.throttle
WHERE subject IN (
    SELECT subject FROM notify.throttle WHERE ends_at <= $1 ORDER BY subject FOR UPDATE SKIP LOCKED
)
"""
# Locked in their order: two tries from one address never wait for each other in a circle.
_COUNT: Final = """
INSERT INTO notify.throttle AS kept (subject, tries, ends_at)
SELECT subject, 1, $2 FROM unnest($1::bytea[]) AS given (subject) ORDER BY subject
ON CONFLICT (subject) DO UPDATE SET
    tries = CASE WHEN kept.ends_at <= $3 THEN 1 ELSE kept.tries + 1 END,
    ends_at = CASE WHEN kept.ends_at <= $3 THEN excluded.ends_at ELSE kept.ends_at END
RETURNING subject, tries, ends_at
"""
_FORGIVE: Final = """
UPDATE notify.throttle SET tries = tries - 1
WHERE subject IN (
    SELECT subject FROM notify.throttle WHERE subject = ANY ($1::bytea[]) AND tries > 0
    ORDER BY subject FOR UPDATE
)
"""
