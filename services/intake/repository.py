"""All SQL of intake: its copy of the directory, and what its sources may learn of their events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson

from schemas.receipt import EventError, EventStatus
from services.intake.ingress.access import SourceKey
from services.runtime.database import Pool, connection, transaction


@dataclass(frozen=True, slots=True)
class DecidedEvent:
    """What routing concluded of one event, for its source."""

    source: str
    event_id: str
    status: EventStatus
    errors: tuple[EventError, ...]
    key_id: UUID | None
    duties_sealed: bytes | None = field(repr=False)
    decided_at: datetime


class Repository:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_directory_version(self) -> int | None:
        async with connection(self._pool) as acquired:
            version: int | None = await acquired.fetchval("SELECT version FROM intake.directory")
            return version

    async def list_source_keys(self) -> list[SourceKey]:
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch("SELECT source, key_hash, types, is_active FROM intake.source_key")
        return [
            SourceKey(row["source"], row["key_hash"], tuple(row["types"]), is_active=row["is_active"])
            for row in rows
        ]

    async def replace_directory(self, version: int, keys: Sequence[SourceKey]) -> None:
        """Stores this version unless a newer one is there (several intakes store the same)."""
        async with transaction(self._pool) as acquired:
            if await acquired.fetchval(_RAISE_VERSION, version) is None:
                return
            await acquired.execute("DELETE FROM intake.source_key")
            await acquired.execute(_INSERT_KEYS, orjson.dumps([_key_row(key) for key in keys]).decode())

    async def record_decided(self, events: Sequence[DecidedEvent]) -> None:
        """Keeps the newest status of each event; `events` names each at most once."""
        async with connection(self._pool) as acquired:
            await acquired.execute(
                _UPSERT_STATUS,
                [event.source for event in events],
                [event.event_id for event in events],
                [event.status.value for event in events],
                [_errors_json(event.errors) for event in events],
                [event.key_id for event in events],
                [event.duties_sealed for event in events],
                [event.decided_at for event in events],
            )

    async def find_decided(self, *, source: str, event_id: str) -> DecidedEvent | None:
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_SELECT_STATUS, source, event_id)
        if row is None:
            return None
        return DecidedEvent(
            source=source,
            event_id=event_id,
            status=EventStatus(row["status"]),
            errors=tuple(EventError.model_validate(error) for error in row["errors"]),
            key_id=row["key_id"],
            duties_sealed=row["duties_sealed"],
            decided_at=row["decided_at"],
        )


def _key_row(key: SourceKey) -> dict[str, object]:
    return {
        "source": key.source,
        "key_hash": key.key_hash,
        "types": key.types,
        "is_active": key.is_active,
    }


def _errors_json(errors: Sequence[EventError]) -> str:
    return orjson.dumps([error.model_dump() for error in errors]).decode()


_RAISE_VERSION = """
INSERT INTO intake.directory AS kept (version) VALUES ($1)
ON CONFLICT (only_row) DO UPDATE SET version = excluded.version, stored_at = now()
WHERE kept.version < excluded.version
RETURNING version
"""

# As JSON, since PostgreSQL has no ragged arrays and each source has types of its own.
_INSERT_KEYS = """
INSERT INTO intake.source_key (source, key_hash, types, is_active)
SELECT source, key_hash, types, is_active
FROM jsonb_to_recordset($1::text::jsonb)
    AS fresh (source text, key_hash text, types text[], is_active boolean)
"""

_UPSERT_STATUS = """
INSERT INTO intake.event_status AS kept (source, event_id, status, errors, key_id, duties_sealed, decided_at)
SELECT source, event_id, status, errors::jsonb, key_id, duties_sealed, decided_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bytea[], $7::timestamptz[])
    AS fresh (source, event_id, status, errors, key_id, duties_sealed, decided_at)
ON CONFLICT (source, event_id) DO UPDATE SET
    status = excluded.status,
    errors = excluded.errors,
    key_id = excluded.key_id,
    duties_sealed = excluded.duties_sealed,
    decided_at = excluded.decided_at
WHERE kept.decided_at <= excluded.decided_at
"""

_SELECT_STATUS = """
SELECT status, errors, key_id, duties_sealed, decided_at
FROM intake.event_status
WHERE source = $1 AND event_id = $2
"""
