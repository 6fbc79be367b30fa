"""The statements of one batch, all on one connection and in one transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from services.routing.repository.rows import (
    AlertRow,
    DecisionRow,
    DutyRow,
    EarlierDecision,
    LadderRow,
    Moment,
    OutboxMessage,
    OutboxRow,
    QuarantineRow,
    ReceiptRow,
)
from services.runtime.database import Connection

EventKey = tuple[str, str]
"""(source, event id)."""


class BatchRepository:
    """Reads, locks and writes of one batch of one topic, within the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_positions(
        self, *, cluster_id: str, topic: str, partitions: Collection[int]
    ) -> dict[int, int]:
        """The next offset of each partition; whoever else has one of them waits until we are done."""
        rows = await self._connection.fetch(_LOCK_POSITIONS, cluster_id, topic, sorted(partitions))
        return {row["partition"]: row["next_offset"] for row in rows}

    async def lock_cases(self, case_refs: Collection[str]) -> dict[str, bytes | None]:
        """Each case's sealed state (None: the empty one); takes the rows in order, making those missing."""
        rows = await self._connection.fetch(_LOCK_CASES, sorted(case_refs))
        return {row["case_ref"]: row["state"] for row in rows}

    async def read_moment(self) -> Moment:
        """`now` is later than every lock taken before."""
        row = await self._connection.fetchrow(_READ_MOMENT)
        if row is None:
            raise AssertionError("an aggregate has a row")
        return Moment(row["now"], row["directory_version"], row["pack_revision"])

    async def find_decisions(self, events: Collection[EventKey]) -> dict[EventKey, EarlierDecision]:
        sources, ids = _transpose(events, width=2)
        rows = await self._connection.fetch(_FIND_DECISIONS, sources, ids)
        return {
            (row["source"], row["event_id"]): EarlierDecision._make(
                [*row[2:-1], frozenset(row["refused_digests"])]
            )
            for row in rows
        }

    async def find_messages_of(
        self, *, cluster_id: str, places: Collection[tuple[int, int]]
    ) -> list[OutboxMessage]:
        """What these records (partition, offset) caused and nobody has taken over yet, oldest first."""
        partitions, offsets = _transpose(places, width=2)
        rows = await self._connection.fetch(_FIND_MESSAGES, cluster_id, partitions, offsets)
        return [OutboxMessage(*row) for row in rows]

    async def insert_decisions(self, rows: Sequence[DecisionRow]) -> None:
        """Raises asyncpg.SerializationError if another batch decided one of the events meanwhile."""
        try:
            await self._copy("decision", rows)
        except asyncpg.UniqueViolationError as error:
            raise asyncpg.SerializationError("another batch decided the same event") from error

    async def insert_alerts(self, rows: Sequence[AlertRow]) -> None:
        await self._copy("alert", rows)

    async def insert_duties(self, rows: Sequence[DutyRow]) -> None:
        await self._copy("duty", rows)

    async def insert_ladders(self, rows: Sequence[LadderRow]) -> None:
        await self._copy("ladder", rows)

    async def insert_messages(self, rows: Sequence[OutboxRow]) -> None:
        await self._copy("outbox", rows)

    async def insert_quarantines(self, rows: Sequence[QuarantineRow]) -> None:
        await self._copy("quarantine", rows)

    async def insert_receipts(self, rows: Sequence[ReceiptRow]) -> None:
        """Whoever reads them leaves out what is there twice."""
        await self._copy("receipt", rows)

    async def delete_messages(self, taken_over: Collection[tuple[Any, int]]) -> None:
        """(message id, revision) of what has been handed over."""
        await self._execute(_DELETE_MESSAGES, taken_over)

    async def update_case_states(self, states: Mapping[str, bytes]) -> None:
        await self._execute(_UPDATE_CASES, list(states.items()))

    async def advance_positions(
        self, *, cluster_id: str, topic: str, next_offsets: Mapping[int, int]
    ) -> None:
        if next_offsets:
            partitions, offsets = list(next_offsets), list(next_offsets.values())
            await self._connection.execute(_ADVANCE_POSITIONS, cluster_id, topic, partitions, offsets)

    async def _copy(self, table: str, rows: Sequence[NamedTuple]) -> None:
        """Half the cost of arrays and `unnest`; a row that is there already is an error."""
        if rows:
            await self._connection.copy_records_to_table(
                table, schema_name="routing", columns=rows[0]._fields, records=rows
            )

    async def _execute(self, statement: str, rows: Collection[Sequence[Any]]) -> None:
        if rows:
            await self._connection.execute(statement, *zip(*rows, strict=True))


def _transpose(rows: Iterable[Sequence[Any]], *, width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) or [()] * width


_LOCK_POSITIONS = """
SELECT partition, next_offset
FROM routing.position
WHERE cluster_id = $1 AND topic = $2 AND partition = ANY($3::integer[])
ORDER BY partition
FOR UPDATE
"""

# The update that changes nothing but the time is what locks a row that is there already.
_LOCK_CASES = """
INSERT INTO routing.case_state AS kept (case_ref, taken_at)
SELECT case_ref, clock_timestamp() FROM unnest($1::text[]) AS wanted (case_ref)
ON CONFLICT (case_ref) DO UPDATE SET taken_at = excluded.taken_at
RETURNING kept.case_ref, kept.state
"""

_READ_MOMENT = """
SELECT clock_timestamp() AS now, coalesce(max(version), 0) AS directory_version,
    (SELECT count(*) FROM routing.pack_approval) AS pack_revision
FROM routing.directory
"""

# A lateral subquery with a limit is looked up row by row through the index. A join would be planned while the
# tables are still empty, as a scan of the whole table, and that plan would be kept while they grow.

_FIND_DECISIONS = """
SELECT found.source, found.event_id, found.case_ref, found.county, found.outcome, found.errors, found.key_id,
    found.content_digest, found.duties_sealed, found.decided_at, ARRAY(
        SELECT refused.content_digest
        FROM routing.quarantine AS refused
        WHERE refused.event_id = found.event_id AND refused.source = found.source
            AND refused.content_digest IS NOT NULL
    ) AS refused_digests
FROM unnest($1::text[], $2::text[]) AS wanted (source, event_id)
CROSS JOIN LATERAL (
    SELECT source, event_id, case_ref, county, outcome, errors, key_id, content_digest, duties_sealed,
        decided_at
    FROM routing.decision AS kept
    WHERE kept.event_id = wanted.event_id AND kept.source = wanted.source
    LIMIT 1
) AS found
"""

_FIND_MESSAGES = """
SELECT message_id, topic, key, record
FROM routing.outbox
WHERE cluster_id = $1
    AND (partition, "offset") IN (SELECT * FROM unnest($2::integer[], $3::bigint[]))
ORDER BY seq
"""

_DELETE_MESSAGES = """
DELETE FROM routing.outbox
WHERE ctid = ANY(ARRAY(
    SELECT found.ctid
    FROM unnest($1::uuid[], $2::integer[]) AS taken (message_id, revision)
    CROSS JOIN LATERAL (
        SELECT kept.ctid
        FROM routing.outbox AS kept
        WHERE kept.message_id = taken.message_id AND kept.revision = taken.revision
        LIMIT 1
    ) AS found
))
"""


_UPDATE_CASES = """
UPDATE routing.case_state AS kept SET state = fresh.state
FROM unnest($1::text[], $2::bytea[]) AS fresh (case_ref, state)
WHERE kept.case_ref = fresh.case_ref
"""

_ADVANCE_POSITIONS = """
UPDATE routing.position AS kept SET next_offset = fresh.next_offset
FROM unnest($3::integer[], $4::bigint[]) AS fresh (partition, next_offset)
WHERE kept.cluster_id = $1 AND kept.topic = $2 AND kept.partition = fresh.partition
"""
