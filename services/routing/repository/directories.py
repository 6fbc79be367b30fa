"""The directory's versions."""

from dataclasses import dataclass, field
from datetime import datetime

from services.runtime.database import Connection, Pool, connection


@dataclass(frozen=True, slots=True)
class StoredDirectory:
    """One version; `snapshot` is the JSON of a DirectorySnapshot."""

    version: int
    snapshot: str = field(repr=False)
    content_digest: bytes


class DirectoryRepository:
    """Versions are only ever added."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_newest(self) -> StoredDirectory | None:
        async with connection(self._pool) as acquired:
            return await find_newest(acquired)

    async def find_newest_version(self) -> int:
        """0 before the first."""
        async with connection(self._pool) as acquired:
            version: int = await acquired.fetchval(_FIND_VERSION)
        return version

    async def has_had(self, endpoint: str) -> bool:
        """Whether any version had an endpoint with all of this JSON."""
        async with connection(self._pool) as acquired:
            found: bool = await acquired.fetchval(_HAS_HAD, endpoint)
        return found

    async def get_snapshot(self, version: int) -> str:
        """Raises LookupError."""
        async with connection(self._pool) as acquired:
            snapshot: str | None = await acquired.fetchval(_GET_SNAPSHOT, version)
        if snapshot is None:
            raise LookupError(version)
        return snapshot


async def find_newest(acquired: Connection) -> StoredDirectory | None:
    row = await acquired.fetchrow(_FIND_NEWEST)
    return None if row is None else StoredDirectory(row["version"], row["snapshot"], row["content_digest"])


async def lock_directory(acquired: Connection) -> datetime:
    """Waits until no other apply is under way; the instant of ours."""
    await acquired.execute(_LOCK)
    now: datetime = await acquired.fetchval("SELECT clock_timestamp()")
    return now


async def insert_directory(
    acquired: Connection, directory: StoredDirectory, *, applied_at: datetime, applied_by: str
) -> None:
    await acquired.execute(
        _INSERT,
        directory.version,
        directory.snapshot,
        directory.content_digest,
        applied_at,
        applied_by,
    )


_FIND_NEWEST = """
SELECT version, snapshot::text AS snapshot, content_digest
FROM routing.directory
ORDER BY version DESC
LIMIT 1
"""
_FIND_VERSION = "SELECT coalesce(max(version), 0) FROM routing.directory"
# Reads every version: asked only when an endpoint is added, which is seldom.
_HAS_HAD = """
SELECT EXISTS (
    SELECT FROM routing.directory
    WHERE snapshot @> jsonb_build_object(
        'agencies', jsonb_build_array(jsonb_build_object('endpoints', jsonb_build_array($1::text::jsonb)))
    )
)
"""
_GET_SNAPSHOT = "SELECT snapshot::text FROM routing.directory WHERE version = $1"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('routing.directory'))"
_INSERT = """
INSERT INTO routing.directory (version, snapshot, content_digest, applied_at, applied_by)
VALUES ($1, $2::text::jsonb, $3, $4, $5)
"""
