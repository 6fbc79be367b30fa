"""The register of duties: read on from the feed, listed by agency, closed by evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from schemas.alert import AlertRecord
from schemas.duty import DutyStatus
from services.notify.duties import DutyChange
from services.notify.receipts import Receipt
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import RECORD_COLUMNS, ReceiptBatch, plain_uuid, read_record
from services.runtime.database import Connection, Pool, connection, transaction


@dataclass(frozen=True, slots=True)
class Unread:
    """What an agency's feed holds behind the place where its register stands."""

    read_until: int
    records: Sequence[AlertRecord]
    last_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvidence:
    """What closed a duty, still sealed."""

    duty_id: UUID
    agency: str
    key_id: UUID
    sealed: bytes = field(repr=False)
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ListedDuty:
    """A duty, its place in its agency's list, and the alert or notice in which its words are."""

    position: int
    duty_id: UUID
    status: DutyStatus
    carrier: AlertRecord = field(repr=False)
    evidence: RecordedEvidence | None


class DutyRepository:
    """A duty is its holder's, and nobody else's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_unread(self, agency: str, *, limit: int) -> Unread:
        async with connection(self._pool) as acquired:
            read_until: int = await acquired.fetchval(_SELECT_READ, agency) or 0
            rows = await acquired.fetch(_SELECT_UNREAD, agency, read_until, limit)
        last = rows[-1]["feed_position"] if rows else read_until
        return Unread(read_until, [read_record(row) for row in rows], last)

    async def advance(self, agency: str, unread: Unread, changes: Sequence[DutyChange]) -> bool:
        """One transaction: the changes, and the register stands behind what was read.

        False if somebody else has moved it meanwhile: then nothing is written.
        """
        async with transaction(self._pool) as acquired:
            count = len(changes)
            last = await acquired.fetchval(_ADVANCE, agency, unread.read_until, unread.last_position, count)
            if last is None:
                return False
            places = range(last - count + 1, last + 1)
            await _write(acquired, agency, list(zip(places, changes, strict=True)))
        return True

    async def list_duties(self, *, agency: str, after: int, limit: int) -> list[ListedDuty]:
        """The agency's duties behind this position, without those whose alert was withdrawn."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_SELECT_LIST, agency, after, limit)
        return [_read(row) for row in rows]

    async def find(self, duty_id: UUID, *, agency: str) -> ListedDuty | None:
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_SELECT_ONE, agency, duty_id)
        return None if row is None else _read(row)

    async def record_evidence(
        self, given: RecordedEvidence, receipt: Receipt, *, member: str
    ) -> ReceiptBatch | None:
        """One transaction: the evidence, the duty closed, the receipt; None if it was closed before."""
        async with transaction(self._pool) as acquired:
            inserted = await acquired.fetchval(
                _INSERT_EVIDENCE, given.duty_id, given.agency, given.key_id, given.sealed, given.recorded_at
            )
            if inserted is None:
                return None
            await acquired.execute(_CLOSE, given.duty_id, given.agency)
            return await insert_receipts(acquired, [receipt], member=member, now=given.recorded_at)


async def _write(acquired: Connection, agency: str, placed: Sequence[tuple[int, DutyChange]]) -> None:
    carried = [(place, change, change.carrier) for place, change in placed if change.carrier is not None]
    for statement, is_last_resort in ((_REGISTER, False), (_REGISTER_DOUBT, True)):
        chosen = [each for each in carried if each[1].is_last_resort is is_last_resort]
        await acquired.execute(
            statement,
            agency,
            [place for place, _, _ in chosen],
            [change.duty_id for _, change, _ in chosen],
            [carrier.alert_id for _, _, carrier in chosen],
            [carrier.revision for _, _, carrier in chosen],
            [change.is_in_doubt for _, change, _ in chosen],
            [change.said_at for _, change, _ in chosen],
        )
    doubted = [(place, change) for place, change in placed if change.carrier is None]
    await acquired.execute(
        _DOUBT,
        agency,
        [place for place, _ in doubted],
        [change.duty_id for _, change in doubted],
        [change.said_at for _, change in doubted],
    )


def _read(row: asyncpg.Record) -> ListedDuty:
    duty_id, evidence = plain_uuid(row["duty_id"]), None
    if row["evidence_sealed"] is not None:
        evidence = RecordedEvidence(
            duty_id=duty_id,
            agency=row["agency"],
            key_id=plain_uuid(row["evidence_key_id"]),
            sealed=row["evidence_sealed"],
            recorded_at=row["recorded_at"],
        )
    return ListedDuty(row["position"], duty_id, DutyStatus(row["status"]), read_record(row), evidence)


_SELECT_READ: Final = "SELECT read_until FROM notify.duty_register WHERE agency = $1"

_SELECT_UNREAD: Final = f"""
SELECT a.feed_position, {RECORD_COLUMNS}
FROM notify.alert a
WHERE a.agency = $1 AND a.feed_position > $2 AND a.command <> 'stop'
ORDER BY a.feed_position
LIMIT $3
"""  # noqa: S608 -- columns of ours

# Its row is locked from here to the commit: positions become visible in their order.
_ADVANCE: Final = """
INSERT INTO notify.duty_register AS kept (agency, read_until, last_position) VALUES ($1, $3, $4)
ON CONFLICT (agency) DO UPDATE SET read_until = $3, last_position = kept.last_position + $4
WHERE kept.read_until = $2
RETURNING last_position
"""

# A correction may renew what an earlier one put in doubt; nothing opens what evidence closed.
_UPSERT: Final = """
INSERT INTO notify.duty AS kept (agency, position, duty_id, alert_id, revision, status, said_at)
SELECT
    $1, position, duty_id, alert_id, revision, CASE WHEN is_in_doubt THEN 'needs_review' ELSE 'open' END,
    said_at
FROM unnest($2::bigint[], $3::uuid[], $4::uuid[], $5::integer[], $6::boolean[], $7::timestamptz[])
    AS carried (position, duty_id, alert_id, revision, is_in_doubt, said_at)
ON CONFLICT (duty_id) DO UPDATE SET
    position = excluded.position,
    status = CASE
        WHEN kept.status = 'closed' OR excluded.said_at < kept.said_at THEN kept.status ELSE excluded.status
    END,
    said_at = greatest(kept.said_at, excluded.said_at){more}
WHERE kept.agency = excluded.agency
"""
_REGISTER: Final = _UPSERT.format(more=", alert_id = excluded.alert_id, revision = excluded.revision")
# What carries it only to say that it is in doubt has no time for it.
_REGISTER_DOUBT: Final = _UPSERT.format(more="")

_DOUBT: Final = """
UPDATE notify.duty d SET status = 'needs_review', position = doubted.position, said_at = doubted.said_at
FROM unnest($2::bigint[], $3::uuid[], $4::timestamptz[]) AS doubted (position, duty_id, said_at)
WHERE d.duty_id = doubted.duty_id AND d.agency = $1 AND d.status = 'open' AND d.said_at <= doubted.said_at
"""

_LISTED: Final = f"""
SELECT d.position, d.duty_id, d.status, e.key_id AS evidence_key_id, e.sealed AS evidence_sealed,
    e.recorded_at, {RECORD_COLUMNS}
FROM notify.duty d
JOIN notify.alert a ON a.alert_id = d.alert_id AND a.revision = d.revision
LEFT JOIN notify.evidence e ON e.duty_id = d.duty_id
WHERE d.agency = $1 AND NOT EXISTS (
    SELECT FROM notify.alert withdrawn
    WHERE withdrawn.alert_id = d.alert_id AND withdrawn.command = 'stop'
)
"""  # noqa: S608 -- columns of ours
_SELECT_LIST: Final = f"{_LISTED} AND d.position > $2 ORDER BY d.position LIMIT $3"
_SELECT_ONE: Final = f"{_LISTED} AND d.duty_id = $2"

_INSERT_EVIDENCE: Final = """
INSERT INTO notify.evidence (duty_id, agency, key_id, sealed, recorded_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (duty_id) DO NOTHING
RETURNING true
"""

_CLOSE: Final = """
WITH moved AS (
    UPDATE notify.duty_register SET last_position = last_position + 1 WHERE agency = $2
    RETURNING last_position
)
UPDATE notify.duty d SET status = 'closed', position = moved.last_position
FROM moved WHERE d.duty_id = $1 AND d.agency = $2
"""
