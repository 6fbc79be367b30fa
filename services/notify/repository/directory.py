"""The newest directory that notify was told."""

from typing import Final

import orjson
from pydantic import ValidationError

from schemas.directory import DirectorySnapshot
from services.runtime.database import Pool, connection


class DirectoryRepository:
    """One row."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self) -> DirectorySnapshot | None:
        """None before the first one, and for one that an older release wrote in another form."""
        async with connection(self._pool) as acquired:
            kept = await acquired.fetchval("SELECT snapshot FROM notify.directory")
        if kept is None:
            return None
        try:
            return DirectorySnapshot.model_validate_json(orjson.dumps(kept))
        except ValidationError:
            return None

    async def replace(self, snapshot: DirectorySnapshot) -> None:
        """Unless a newer one is there: several processes keep the same row."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_REPLACE, snapshot.version, orjson.loads(snapshot.model_dump_json()))


_REPLACE: Final = """
INSERT INTO notify.directory AS kept (version, snapshot) VALUES ($1, $2)
ON CONFLICT (only_row) DO UPDATE
SET version = excluded.version, snapshot = excluded.snapshot, stored_at = now()
WHERE kept.version < excluded.version
"""
