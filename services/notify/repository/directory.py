"""The newest directory that notify was told."""

from typing import Final

import orjson

from schemas.directory import DirectorySnapshot
from services.runtime.database import Pool, connection


class DirectoryRepository:
    """One row."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self) -> bytes | None:
        """The snapshot as JSON; None before the first one."""
        async with connection(self._pool) as acquired:
            kept = await acquired.fetchval("SELECT snapshot FROM notify.directory")
        return None if kept is None else orjson.dumps(kept)

    async def replace(self, snapshot: DirectorySnapshot) -> None:
        """Unless a newer one is there: several processes keep the same row."""
        async with connection(self._pool) as acquired:
            await acquired.execute(
                _REPLACE, snapshot.version, orjson.loads(snapshot.model_dump_json(exclude_none=True))
            )


_REPLACE: Final = """
INSERT INTO notify.directory AS kept (version, snapshot) VALUES ($1, $2)
ON CONFLICT (only_row) DO UPDATE
SET version = excluded.version, snapshot = excluded.snapshot, stored_at = now()
WHERE kept.version < excluded.version
"""
