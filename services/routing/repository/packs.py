"""Published protocol packs and their approvals: only ever added."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import datetime

import asyncpg

from services.runtime.database import Connection, Pool, connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One version as its author sent it; without key and signature if it came with the installation."""

    name: str
    version: str
    content: bytes = field(repr=False)
    sha256: str
    in_force_from: datetime
    author: str
    author_key: str | None
    signature: bytes | None = field(repr=False)
    signed_at: datetime | None
    published_at: datetime
    attestation: bytes = field(repr=False, default=b"")

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """That another operator agreed; `in_force_from` is when the version decides."""

    name: str
    version: str
    sha256: str
    in_force_from: datetime
    approver: str
    approver_key: str | None
    signature: bytes | None = field(repr=False)
    signed_at: datetime | None
    approved_at: datetime
    attestation: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class StoredPack:
    """One version, and its approval if it has one."""

    publication: Publication
    approval: Approval | None


class PackRepository:
    """Reads of what is stored."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_revision(self) -> int:
        """How many versions were ever approved."""
        async with connection(self._pool) as acquired:
            revision: int = await acquired.fetchval(_FIND_REVISION)
        return revision

    async def list_packs(self) -> list[StoredPack]:
        async with connection(self._pool) as acquired:
            return await list_packs(acquired)

    async def find_pack(self, *, name: str, version: str) -> StoredPack | None:
        async with connection(self._pool) as acquired:
            return await find_pack(acquired, name=name, version=version)


async def list_packs(acquired: Connection) -> list[StoredPack]:
    """Every version, by name and by when it was published."""
    return [_stored(row) for row in await acquired.fetch(_LIST)]


async def find_pack(acquired: Connection, *, name: str, version: str) -> StoredPack | None:
    row = await acquired.fetchrow(_FIND, name, version)
    return None if row is None else _stored(row)


async def lock_packs(acquired: Connection) -> datetime:
    """Waits until nobody else publishes or approves; the instant of ours."""
    await acquired.execute(_LOCK)
    now: datetime = await acquired.fetchval("SELECT clock_timestamp()")
    return now


async def insert_publication(acquired: Connection, publication: Publication) -> None:
    await acquired.execute(_INSERT_PUBLICATION, *astuple(publication))


async def insert_approval(acquired: Connection, approval: Approval) -> None:
    await acquired.execute(_INSERT_APPROVAL, *astuple(approval))


_PUBLICATION = tuple(each.name for each in fields(Publication))
_APPROVAL = tuple(each.name for each in fields(Approval))


def _stored(row: asyncpg.Record) -> StoredPack:
    values: Sequence[object] = tuple(row)
    publication = dict(zip(_PUBLICATION, values[: len(_PUBLICATION)], strict=True))
    approval = dict(zip(_APPROVAL, values[len(_PUBLICATION) :], strict=True))
    return StoredPack(
        Publication(**publication),  # type: ignore[arg-type] # the columns are the fields
        None if approval["name"] is None else Approval(**approval),  # type: ignore[arg-type] # likewise
    )


_SELECT = """
SELECT pack.name, pack.version, pack.content, pack.sha256, pack.in_force_from, pack.author, pack.author_key,
    pack.signature, pack.signed_at, pack.published_at, pack.attestation,
    approval.name, approval.version, approval.sha256, approval.in_force_from, approval.approver,
    approval.approver_key, approval.signature, approval.signed_at, approval.approved_at, approval.attestation
FROM routing.pack AS pack
LEFT JOIN routing.pack_approval AS approval USING (name, version)
"""
_LIST = f"{_SELECT} ORDER BY pack.name, pack.published_at, pack.version"
_FIND = f"{_SELECT} WHERE pack.name = $1 AND pack.version = $2"
_FIND_REVISION = "SELECT count(*) FROM routing.pack_approval"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('routing.pack'))"
_INSERT_PUBLICATION = """
INSERT INTO routing.pack (name, version, content, sha256, in_force_from, author, author_key, signature,
    signed_at, published_at, attestation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_INSERT_APPROVAL = """
INSERT INTO routing.pack_approval (name, version, sha256, in_force_from, approver, approver_key, signature,
    signed_at, approved_at, attestation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
