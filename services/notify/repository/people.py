"""People who may sign in, and the one-time codes by which they become so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.notify.repository.rows import plain_uuid
from services.runtime.database import Pool, connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A person as kept: names and secrets sealed."""

    person_id: UUID
    agency: str
    contact_id: str
    sealed: bytes = field(repr=False)
    enrolled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRow:
    """An enrolment that was begun; `draft` is what the person has typed so far, sealed."""

    person_id: UUID
    agency: str
    contact_id: str
    draft: bytes | None = field(repr=False)
    sign_in_digest: bytes | None = field(repr=False)


class PersonRepository:
    """Who may sign in."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_by_sign_in(self, digest: bytes) -> PersonRow | None:
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_FIND, digest)
        return None if row is None else read_person(row)

    async def use_step(self, person_id: UUID, step: int) -> bool:
        """Whether this time-step, and no later one, was used before; from now on it is."""
        async with connection(self._pool) as acquired:
            used = await acquired.fetchval(_USE_STEP, person_id, step)
        return used is not None

    async def list_all(self, *, agency: str | None) -> Sequence[PersonRow]:
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_LIST, agency)
        return [read_person(row) for row in rows]

    async def remove(self, person_id: UUID, *, agency: str | None) -> bool:
        """With all sessions; whether there was such a person (of this agency)."""
        async with connection(self._pool) as acquired:
            return await acquired.fetchval(_REMOVE, person_id, agency) is not None

    async def record_enrolment(
        self, row: EnrolmentRow, *, code_hash: bytes, now: datetime, expires_at: datetime
    ) -> None:
        async with transaction(self._pool) as acquired:
            await acquired.execute(_FORGET_EXPIRED, now)
            await acquired.execute(
                _INSERT_ENROLMENT, code_hash, row.person_id, row.agency, row.contact_id, expires_at
            )

    async def find_enrolment(self, code_hash: bytes, *, now: datetime) -> EnrolmentRow | None:
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_FIND_ENROLMENT, code_hash, now)
        if row is None:
            return None
        return EnrolmentRow(**{**row, "person_id": plain_uuid(row["person_id"])})

    async def keep_draft(self, code_hash: bytes, *, draft: bytes, sign_in_digest: bytes) -> bool:
        """False where somebody else signs in by this name."""
        async with connection(self._pool) as acquired:
            return await acquired.fetchval(_KEEP_DRAFT, code_hash, draft, sign_in_digest) is not None

    async def finish(self, code_hash: bytes, *, step: int, now: datetime) -> bool:
        """The draft becomes a person, the code is used up; False where either is gone or the name taken."""
        async with transaction(self._pool) as acquired:
            made = await acquired.fetchval(_FINISH, code_hash, step, now)
            if made is not None:
                await acquired.execute(_USE_UP, code_hash)
        return made is not None


def read_person(row: asyncpg.Record) -> PersonRow:
    return PersonRow(**{**row, "person_id": plain_uuid(row["person_id"])})


PERSON_COLUMNS: Final = "p.person_id, p.agency, p.contact_id, p.sealed, p.enrolled_at"

_FIND: Final = f"SELECT {PERSON_COLUMNS} FROM notify.person p WHERE p.sign_in_digest = $1"  # noqa: S608 -- columns of ours
_USE_STEP: Final = """
UPDATE notify.person SET last_step = $2 WHERE person_id = $1 AND last_step < $2 RETURNING true
"""
_LIST: Final = f"""
SELECT {PERSON_COLUMNS} FROM notify.person p
WHERE $1::text IS NULL OR p.agency = $1 ORDER BY p.agency, p.enrolled_at, p.person_id
"""  # noqa: S608 -- columns of ours
_REMOVE: Final = """
DELETE FROM notify.person WHERE person_id = $1 AND ($2::text IS NULL OR agency = $2) RETURNING true
"""
_FORGET_EXPIRED: Final = "DELETE FROM notify.enrolment WHERE expires_at <= $1"
_INSERT_ENROLMENT: Final = """
INSERT INTO notify.enrolment (code_hash, person_id, agency, contact_id, expires_at)
VALUES ($1, $2, $3, $4, $5)
"""
_FIND_ENROLMENT: Final = """
SELECT person_id, agency, contact_id, draft, sign_in_digest
FROM notify.enrolment WHERE code_hash = $1 AND expires_at > $2
"""
_KEEP_DRAFT: Final = """
UPDATE notify.enrolment SET draft = $2, sign_in_digest = $3
WHERE code_hash = $1 AND NOT EXISTS (SELECT FROM notify.person p WHERE p.sign_in_digest = $3)
RETURNING true
"""
_FINISH: Final = """
INSERT INTO notify.person (person_id, agency, contact_id, sign_in_digest, sealed, last_step, enrolled_at)
SELECT person_id, agency, contact_id, sign_in_digest, draft, $2, $3
FROM notify.enrolment WHERE code_hash = $1 AND draft IS NOT NULL AND expires_at > $3
ON CONFLICT DO NOTHING
RETURNING true
"""
_USE_UP: Final = "DELETE FROM notify.enrolment WHERE code_hash = $1"
