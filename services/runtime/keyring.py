"""The case keys: made once per case, wrapped at rest, kept in memory for a minute.

A key is inserted if absent and used only as read back, so that two processes that race agree. A shredded key
(its wrapped form is null) is absent from ``ensure_keys`` and None in ``find_keys``, as one that never was.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from uuid import UUID

import asyncpg

from services.runtime.clock import Clock, SystemClock, new_id
from services.runtime.crypto import Cipher, Kek, derive_key, new_key
from services.runtime.database import Pool, connection

CACHE_SECONDS: Final = 60.0
CACHE_SIZE: Final = 20_000


@dataclass(frozen=True)
class CaseKey:
    """A case's key in the clear: never logged, never written. What is made of it goes when it goes."""

    key_id: UUID
    secret: bytes = field(repr=False)

    @cached_property
    def cipher(self) -> Cipher:
        """Some 2.5 KB: made for a key that is used."""
        return Cipher(self.secret)

    @cached_property
    def name(self) -> str:
        """Its id, as records have it."""
        return str(self.key_id)

    @cached_property
    def content_key(self) -> bytes:
        """For digests that tell equal from other content."""
        return derive_key(self.secret, "content")


@dataclass(frozen=True, slots=True)
class _Kept:
    case_ref: str
    key: CaseKey
    until: float


class Keyring:
    """Case keys by reference (making those that are missing) and by id."""

    def __init__(self, pool: Pool, kek: Kek, *, clock: Clock | None = None, size: int = CACHE_SIZE) -> None:
        self._pool = pool
        self._kek = kek
        self._clock = clock or SystemClock()
        self._size = size
        self._by_id: OrderedDict[UUID, _Kept] = OrderedDict()
        self._id_by_ref: dict[str, UUID] = {}

    def list_known(self, case_refs: Iterable[str]) -> dict[str, CaseKey]:
        """The keys that are in memory just now."""
        return {ref: kept.key for ref in case_refs if (kept := self._find_by_ref(ref)) is not None}

    async def ensure_keys(self, case_refs: Iterable[str]) -> dict[str, CaseKey]:
        """The key of every reference, made if it had none; a shredded reference is absent.

        Raises one of database.TRANSIENT_ERRORS, or SealError if a key does not unwrap.
        """
        wanted = set(case_refs)
        known = self.list_known(wanted)
        if missing := sorted(wanted - known.keys()):
            known.update(await self._insert_and_read(missing))
        return known

    async def find_keys(self, key_ids: Iterable[UUID]) -> dict[UUID, CaseKey | None]:
        """The key of every id; None for one that is shredded or unknown.

        Raises one of database.TRANSIENT_ERRORS, or SealError if a key does not unwrap.
        """
        wanted = set(key_ids)
        found: dict[UUID, CaseKey | None] = {}
        for key_id in wanted:
            kept = self._find_by_id(key_id)
            found[key_id] = None if kept is None else kept.key
        if missing := [key_id for key_id, key in found.items() if key is None]:
            async with connection(self._pool) as acquired:
                rows = await acquired.fetch(_SELECT_BY_ID, missing)
            found.update({key.key_id: key for key in self._keep(rows).values()})
        return found

    async def find_key(self, key_id: UUID) -> CaseKey | None:
        """As `find_keys`, for one."""
        kept = self._find_by_id(key_id)
        return kept.key if kept is not None else (await self.find_keys([key_id]))[key_id]

    def forget_all(self) -> None:
        """Drops every key from memory (shredding asks for it)."""
        self._by_id.clear()
        self._id_by_ref.clear()

    async def _insert_and_read(self, case_refs: list[str]) -> dict[str, CaseKey]:
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_INSERT_AND_SELECT, *self._new_rows(case_refs))
            # Inserted by another process meanwhile: the statement saw neither its row nor a place for ours.
            absent = sorted(set(case_refs) - {row["case_ref"] for row in rows})
            if absent:
                rows += await acquired.fetch(_SELECT_BY_REF, absent)
        return self._keep(rows)

    def _new_rows(self, case_refs: list[str]) -> tuple[list[UUID], list[str], list[bytes], int]:
        wrapped = [self._kek.wrap(new_key(), context=_wrap_context(ref))[1] for ref in case_refs]
        return [new_id() for _ in case_refs], case_refs, wrapped, self._kek.current_version

    def _keep(self, rows: Collection[asyncpg.Record]) -> dict[str, CaseKey]:
        until = self._clock.monotonic() + CACHE_SECONDS
        keys: dict[str, CaseKey] = {}
        for row in rows:
            if row["wrapped"] is None:
                continue
            ref = row["case_ref"]
            secret = self._kek.unwrap(row["kek_version"], row["wrapped"], context=_wrap_context(ref))
            keys[ref] = CaseKey(row["key_id"], secret)
            self._by_id[row["key_id"]] = _Kept(ref, keys[ref], until)
            self._id_by_ref[ref] = row["key_id"]
        self._evict()
        return keys

    def _find_by_ref(self, case_ref: str) -> _Kept | None:
        key_id = self._id_by_ref.get(case_ref)
        return None if key_id is None else self._find_by_id(key_id)

    def _find_by_id(self, key_id: UUID) -> _Kept | None:
        kept = self._by_id.get(key_id)
        if kept is None:
            return None
        if kept.until <= self._clock.monotonic():
            self._forget(key_id)
            return None
        self._by_id.move_to_end(key_id)
        return kept

    def _evict(self) -> None:
        while len(self._by_id) > self._size:
            self._forget(next(iter(self._by_id)))

    def _forget(self, key_id: UUID) -> None:
        kept = self._by_id.pop(key_id)
        self._id_by_ref.pop(kept.case_ref, None)


def _wrap_context(case_ref: str) -> tuple[str, str]:
    return ("case-key", case_ref)


_SELECT_BY_REF = """
SELECT key_id, case_ref, wrapped, kek_version FROM keyring.case_key WHERE case_ref = ANY($1::text[])
"""
_SELECT_BY_ID = """
SELECT key_id, case_ref, wrapped, kek_version FROM keyring.case_key WHERE key_id = ANY($1::uuid[])
"""
# One round trip for most. In order of reference, so that two processes cannot wait for each other.
_INSERT_AND_SELECT = """
WITH kept AS (
    SELECT key_id, case_ref, wrapped, kek_version FROM keyring.case_key WHERE case_ref = ANY($2::text[])
), inserted AS (
    INSERT INTO keyring.case_key (key_id, case_ref, wrapped, kek_version)
    SELECT key_id, case_ref, wrapped, $4
    FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS fresh (key_id, case_ref, wrapped)
    WHERE case_ref NOT IN (SELECT case_ref FROM kept)
    ON CONFLICT (case_ref) DO NOTHING
    RETURNING key_id, case_ref, wrapped, kek_version
)
SELECT key_id, case_ref, wrapped, kek_version FROM kept
UNION ALL
SELECT key_id, case_ref, wrapped, kek_version FROM inserted
"""
