"""Storing alerts with their deliveries and receipts, and reading them for their agency."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from schemas.alert import AlertRecord, Command
from services.notify.receipts import Receipt
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import RECORD_COLUMNS, PlannedAlert, ReceiptBatch, read_record
from services.runtime.database import Connection, Pool, connection, transaction

Revision: TypeAlias = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """Which alerts of a batch are new, and the receipts to publish for all of it."""

    fresh: frozenset[Revision]
    receipts: ReceiptBatch | None


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An alert and its place in its agency's feed."""

    position: int
    record: AlertRecord


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record of a topic that is no alert."""

    cluster_id: str
    topic: str
    partition: int
    offset: int
    value: bytes | None


class AlertRepository:
    """Alerts come in once and are read by their agency alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def store(
        self,
        alerts: Sequence[PlannedAlert],
        receipts: Sequence[Receipt],
        *,
        member: str,
        now: datetime,
        lease_until: datetime,
    ) -> Stored:
        """One transaction: the alerts that are new with their deliveries, and every receipt."""
        async with transaction(self._pool) as acquired:
            positions = await _number(acquired, alerts)
            fresh = await _insert(
                acquired, alerts, positions, member=member, now=now, lease_until=lease_until
            )
            if any(alert.record.revision > 1 for alert in alerts):
                await acquired.execute(_SUPERSEDE, *_revisions(alerts))
            batch = await insert_receipts(acquired, receipts, member=member, now=now)
        return Stored(fresh, batch)

    async def record_unreadable(self, records: Sequence[UnreadableRecord], *, now: datetime) -> None:
        async with connection(self._pool) as acquired:
            await acquired.execute(
                _INSERT_UNREADABLE,
                [record.cluster_id for record in records],
                [record.topic for record in records],
                [record.partition for record in records],
                [record.offset for record in records],
                [record.value for record in records],
                now,
            )

    async def list_feed(self, *, agency: str, after: int, limit: int) -> list[FeedEntry]:
        """The agency's alerts behind this position, each in its newest revision."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_SELECT_FEED, agency, after, limit)
        return [FeedEntry(row["feed_position"], read_record(row)) for row in rows]

    async def find_newest(self, alert_id: UUID) -> AlertRecord | None:
        """The newest revision, whosever it is; None also for an alert that was withdrawn."""
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_SELECT_NEWEST, alert_id)
        return None if row is None or row["command"] == Command.STOP else read_record(row)


async def _number(acquired: Connection, alerts: Sequence[PlannedAlert]) -> list[int]:
    """A feed position for each alert. Locks the agencies' counters, in order, until the transaction ends."""
    counts = Counter(alert.record.agency for alert in alerts)
    rows = await acquired.fetch(_ADVANCE_FEED, list(counts), list(counts.values()))
    following = {row["agency"]: row["last_position"] - counts[row["agency"]] for row in rows}
    positions = []
    for alert in alerts:
        following[alert.record.agency] += 1
        positions.append(following[alert.record.agency])
    return positions


async def _insert(
    acquired: Connection,
    alerts: Sequence[PlannedAlert],
    positions: Sequence[int],
    *,
    member: str,
    now: datetime,
    lease_until: datetime,
) -> frozenset[Revision]:
    records = [alert.record for alert in alerts]
    planned = [(alert.record, delivery) for alert in alerts for delivery in alert.deliveries]
    rows = await acquired.fetch(
        _INSERT,
        now,
        lease_until,
        member,
        [record.alert_id for record in records],
        [record.revision for record in records],
        positions,
        [record.command.value for record in records],
        [record.form.value for record in records],
        [record.agency for record in records],
        [record.contact.value for record in records],
        [record.case_ref for record in records],
        [record.urgency.value for record in records],
        [record.acknowledge_by for record in records],
        [record.exercise for record in records],
        [record.decided_at for record in records],
        [record.directory_version for record in records],
        [record.correlation_id for record in records],
        [record.key_id for record in records],
        [record.sealed for record in records],
        [delivery.delivery_id for _, delivery in planned],
        [record.alert_id for record, _ in planned],
        [record.revision for record, _ in planned],
        [record.agency for record, _ in planned],
        [delivery.path.channel.value for _, delivery in planned],
        [delivery.path.target for _, delivery in planned],
        [delivery.path.lane for _, delivery in planned],
        [delivery.is_leased for _, delivery in planned],
    )
    return frozenset((row["alert_id"], row["revision"]) for row in rows)


def _revisions(alerts: Sequence[PlannedAlert]) -> tuple[list[UUID], list[int]]:
    return [alert.record.alert_id for alert in alerts], [alert.record.revision for alert in alerts]


_ADVANCE_FEED: Final = """
INSERT INTO notify.feed AS kept (agency, last_position)
SELECT agency, added FROM unnest($1::text[], $2::bigint[]) AS batch (agency, added) ORDER BY agency
ON CONFLICT (agency) DO UPDATE SET last_position = kept.last_position + excluded.last_position
RETURNING agency, last_position
"""

_INSERT: Final = """
WITH fresh AS (
    INSERT INTO notify.alert (
        alert_id, revision, feed_position, command, form, agency, contact, case_ref, urgency, acknowledge_by,
        exercise, decided_at, directory_version, correlation_id, key_id, sealed, stored_at
    )
    SELECT batch.*, $1
    FROM unnest(
        $4::uuid[], $5::integer[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
        $12::text[], $13::timestamptz[], $14::boolean[], $15::timestamptz[], $16::integer[], $17::text[],
        $18::uuid[], $19::bytea[]
    ) AS batch
    ON CONFLICT (alert_id, revision) DO NOTHING
    RETURNING alert_id, revision
), made AS (
    INSERT INTO notify.delivery (
        delivery_id, alert_id, revision, agency, channel, target, lane, state, attempts, due_at, leased_by
    )
    SELECT
        p.delivery_id, p.alert_id, p.revision, p.agency, p.channel, p.target, p.lane, 'pending',
        p.is_leased::integer, CASE WHEN p.is_leased THEN $2 ELSE $1 END, CASE WHEN p.is_leased THEN $3 END
    FROM unnest(
        $20::uuid[], $21::uuid[], $22::integer[], $23::text[], $24::text[], $25::text[], $26::text[],
        $27::boolean[]
    ) AS p (delivery_id, alert_id, revision, agency, channel, target, lane, is_leased)
    JOIN fresh USING (alert_id, revision)
)
SELECT alert_id, revision FROM fresh
"""

_SUPERSEDE: Final = """
UPDATE notify.delivery d SET state = 'superseded', due_at = NULL, leased_by = NULL
FROM unnest($1::uuid[], $2::integer[]) AS newer (alert_id, revision)
WHERE d.alert_id = newer.alert_id AND d.revision < newer.revision AND d.state = 'pending'
"""

_INSERT_UNREADABLE: Final = """
INSERT INTO notify.unreadable (cluster_id, topic, partition, position, value, stored_at)
SELECT batch.*, $6 FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bytea[]) AS batch
ON CONFLICT DO NOTHING
"""

_SELECT_FEED: Final = f"""
SELECT a.feed_position, {RECORD_COLUMNS}
FROM notify.alert a
WHERE a.agency = $1 AND a.feed_position > $2 AND a.command <> 'stop' AND NOT EXISTS (
    SELECT FROM notify.alert newer WHERE newer.alert_id = a.alert_id AND newer.revision > a.revision
)
ORDER BY a.feed_position
LIMIT $3
"""  # noqa: S608 -- columns of ours

_SELECT_NEWEST: Final = f"""
SELECT {RECORD_COLUMNS} FROM notify.alert a WHERE a.alert_id = $1 ORDER BY a.revision DESC LIMIT 1
"""  # noqa: S608 -- columns of ours
