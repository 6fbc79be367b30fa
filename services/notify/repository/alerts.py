"""Storing alerts with their deliveries and receipts, and reading them for their agency."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from schemas.alert import AlertRecord, Command
from services.notify.receipts import Receipt, pack
from services.notify.repository.awaited import lock_awaited, record_without_path
from services.notify.repository.rows import (
    RECORD_COLUMNS,
    Due,
    PlannedAlert,
    ReceiptBatch,
    plain_uuid,
    read_record,
)
from services.runtime.database import Pool, connection, transaction

Revision: TypeAlias = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """Which alerts of a batch are new, which deliveries need no attempt, and the receipts to publish.

    `unreachable` tells of those that nothing leads to.
    """

    fresh: frozenset[Revision]
    ended: frozenset[UUID]
    receipts: ReceiptBatch | None
    unreachable: ReceiptBatch | None = None


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
        without_path: Collection[UUID] = (),
    ) -> Stored:
        """One transaction: the alerts that are new with their deliveries, and these receipts.

        Of those `without_path` that wait for somebody, a receipt says in it that nobody can be reached.
        """
        packed = pack(receipts) if receipts else None
        arguments = (now, lease_until, member, packed, *_columns(alerts), *_delivery_columns(alerts))
        unreachable = None
        if without_path or any(_takes_a_place(alert.record) for alert in alerts):
            async with transaction(self._pool) as acquired:
                rows = await acquired.fetch(_INSERT, *arguments)
                await acquired.execute(_SKIP_EARLIER, *_revisions(alerts))
                # Before the deliveries: in the order in which everybody takes them.
                await acquired.execute(_AWAIT_NO_MORE, _stopped(alerts))
                waiting = await lock_awaited(acquired, without_path) if without_path else ()
                ended = await acquired.fetch(_SUPERSEDE, *_revisions(alerts))
                ended += await acquired.fetch(_SPARE, *_revisions(alerts))
                # What came together with its end is leased and was never begun: nothing of it can arrive.
                await acquired.execute(_FREE, *_own(alerts))
                unreachable = await record_without_path(acquired, waiting, now=now, member=member)
        else:
            async with connection(self._pool) as acquired:
                rows, ended = await acquired.fetch(_INSERT, *arguments), []
        fresh = frozenset((row["alert_id"], row["revision"]) for row in rows if row["alert_id"] is not None)
        batch = ReceiptBatch(rows[0]["batch_id"], receipts) if receipts else None
        never_due = frozenset(plain_uuid(row["delivery_id"]) for row in ended)
        return Stored(fresh, never_due, batch, unreachable)

    async def free(self, never_begun: Sequence[Due]) -> None:
        """These were superseded before their attempt began: nothing of them can arrive."""
        async with connection(self._pool) as acquired:
            await acquired.execute(
                _FREE, [due.record.alert_id for due in never_begun], [due.delivery_id for due in never_begun]
            )

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

    async def find_latest(self, alert_id: UUID) -> AlertRecord | None:
        """The newest revision, withdrawn or not."""
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_SELECT_NEWEST, alert_id)
        return None if row is None else read_record(row)

    async def list_rungs(self, alert_ids: Sequence[UUID]) -> list[UUID]:
        """What the agencies of these were told once more because nobody acknowledged them."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(_SELECT_RUNGS, alert_ids)
        return [plain_uuid(row["alert_id"]) for row in rows]

    async def find_newest(self, alert_id: UUID) -> AlertRecord | None:
        """The newest revision, whosever it is; None also for an alert that was withdrawn."""
        latest = await self.find_latest(alert_id)
        return None if latest is None or latest.command is Command.STOP else latest


def _columns(alerts: Sequence[PlannedAlert]) -> tuple[list[object], ...]:
    """What `_INSERT` wants of alerts, an array for each column."""
    records = [alert.record for alert in alerts]
    places: Counter[str] = Counter()
    return (
        [record.alert_id for record in records],
        [record.revision for record in records],
        [_count(places, record.agency) for record in records],
        [record.command for record in records],
        [record.form for record in records],
        [record.agency for record in records],
        [record.contact for record in records],
        [record.case_ref for record in records],
        [record.urgency for record in records],
        [record.acknowledge_by for record in records],
        [record.exercise for record in records],
        [record.decided_at for record in records],
        [record.directory_version for record in records],
        [record.correlation_id for record in records],
        [record.key_id for record in records],
        [record.sealed for record in records],
        [record.mandated for record in records],
        [record.rung_of for record in records],
        [record.rung_to for record in records],
    )


def _count(places: Counter[str], agency: str) -> int:
    places[agency] += 1
    return places[agency]


def _delivery_columns(alerts: Sequence[PlannedAlert]) -> tuple[list[object], ...]:
    planned = [(alert.record, delivery) for alert in alerts for delivery in alert.deliveries]
    return (
        [delivery.delivery_id for _, delivery in planned],
        [record.alert_id for record, _ in planned],
        [record.revision for record, _ in planned],
        [delivery.path.channel for _, delivery in planned],
        [delivery.path.target for _, delivery in planned],
        [delivery.path.lane for _, delivery in planned],
        [delivery.is_leased for _, delivery in planned],
    )


def _own(alerts: Sequence[PlannedAlert]) -> tuple[list[UUID], list[UUID]]:
    """Alerts of a batch, and the deliveries that it makes."""
    made = [delivery.delivery_id for alert in alerts for delivery in alert.deliveries]
    return [alert.record.alert_id for alert in alerts], made


def _stopped(alerts: Sequence[PlannedAlert]) -> list[UUID]:
    return [alert.record.alert_id for alert in alerts if alert.record.command is Command.STOP]


def _revisions(alerts: Sequence[PlannedAlert]) -> tuple[list[UUID], list[int]]:
    """The newest of each alert, of those that take the place of earlier ones."""
    newest: dict[UUID, int] = {}
    for record in (alert.record for alert in alerts if _takes_a_place(alert.record)):
        newest[record.alert_id] = max(record.revision, newest.get(record.alert_id, 0))
    return list(newest), list(newest.values())


def _takes_a_place(record: AlertRecord) -> bool:
    return record.revision > 1 and record.command is not Command.REVIEW


# One statement, and so one round trip and one transaction. Advancing the feed locks the agencies' counters,
# in order, until it commits: no position becomes visible before a lower one. Only the first revision of an
# alert starts the clock of its acknowledgement.
_INSERT: Final = """
WITH batch AS (
    SELECT * FROM unnest(
        $5::uuid[], $6::integer[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[],
        $12::text[], $13::text[], $14::timestamptz[], $15::boolean[], $16::timestamptz[], $17::integer[],
        $18::text[], $19::uuid[], $20::bytea[], $21::boolean[], $22::uuid[], $23::text[]
    ) AS batch (
        alert_id, revision, place, command, form, agency, contact, case_ref, urgency, acknowledge_by,
        exercise, decided_at, directory_version, correlation_id, key_id, sealed, mandated, rung_of, rung_to
    )
), counted AS (
    SELECT agency, max(place) AS added FROM batch GROUP BY agency
), advanced AS (
    INSERT INTO notify.feed AS kept (agency, last_position)
    SELECT agency, added FROM counted ORDER BY agency
    ON CONFLICT (agency) DO UPDATE SET last_position = kept.last_position + excluded.last_position
    RETURNING agency, last_position
), fresh AS (
    INSERT INTO notify.alert (
        alert_id, revision, feed_position, command, form, agency, contact, case_ref, urgency, acknowledge_by,
        exercise, decided_at, directory_version, correlation_id, key_id, sealed, mandated, rung_of, rung_to,
        stored_at
    )
    SELECT
        alert_id, revision, last_position - added + place, command, form, agency, contact, case_ref, urgency,
        acknowledge_by, exercise, decided_at, directory_version, correlation_id, key_id, sealed, mandated,
        rung_of, rung_to, $1
    FROM batch JOIN advanced USING (agency) JOIN counted USING (agency)
    ON CONFLICT (alert_id, revision) DO NOTHING
    RETURNING alert_id, revision, command, form, acknowledge_by
), awaited AS (
    INSERT INTO notify.awaited (acknowledge_by, alert_id)
    SELECT acknowledge_by, alert_id FROM fresh
    WHERE revision = 1 AND form = 'alert' AND command = 'deliver'
), made AS (
    INSERT INTO notify.delivery (
        delivery_id, alert_id, revision, channel, target, lane, state, attempts, due_at, leased_by
    )
    SELECT
        p.delivery_id, p.alert_id, p.revision, p.channel, p.target, p.lane, 'pending',
        p.is_leased::integer, CASE WHEN p.is_leased THEN $2 ELSE $1 END, CASE WHEN p.is_leased THEN $3 END
    FROM unnest(
        $24::uuid[], $25::uuid[], $26::integer[], $27::text[], $28::text[], $29::text[], $30::boolean[]
    ) AS p (delivery_id, alert_id, revision, channel, target, lane, is_leased)
    JOIN fresh USING (alert_id, revision)
), told AS (
    INSERT INTO notify.outbox (member, claimed_at, receipts)
    SELECT $3, $1, $4::bytea WHERE $4::bytea IS NOT NULL
    RETURNING batch_id
)
SELECT told.batch_id, fresh.alert_id, fresh.revision FROM told FULL JOIN fresh ON true
"""

# A revision that has not come when a later one is stored shall never count: its place is taken, so that it is
# known already if it comes, and the statement that stores alerts need not look for later ones. If none came
# before, this one starts the clock.
_SKIP_EARLIER: Final = """
WITH newer AS (
    SELECT a.*
    FROM unnest($1::uuid[], $2::integer[]) AS given (alert_id, revision)
    JOIN notify.alert a ON a.alert_id = given.alert_id AND a.revision = given.revision
), passed AS (
    INSERT INTO notify.alert (
        alert_id, revision, command, form, agency, contact, case_ref, urgency, acknowledge_by, exercise,
        mandated, rung_of, rung_to, decided_at, directory_version, correlation_id, key_id, sealed, stored_at
    )
    SELECT
        alert_id, earlier, 'passed_over', form, agency, contact, case_ref, urgency, acknowledge_by, exercise,
        mandated, rung_of, rung_to, decided_at, directory_version, correlation_id, key_id, '', stored_at
    FROM newer CROSS JOIN generate_series(1, revision - 1) AS earlier
    ON CONFLICT (alert_id, revision) DO NOTHING
    RETURNING alert_id, revision
)
INSERT INTO notify.awaited (acknowledge_by, alert_id)
SELECT newer.acknowledge_by, alert_id
FROM newer JOIN passed USING (alert_id)
WHERE passed.revision = 1 AND newer.form = 'alert' AND newer.command = 'amend'
ON CONFLICT DO NOTHING
"""

# A dead letter, too: whoever redrives it at this moment holds its row, or finds it superseded.
_SUPERSEDE: Final = """
UPDATE notify.delivery d
SET state = 'superseded', due_at = CASE WHEN d.leased_by IS NOT NULL THEN d.due_at END, leased_by = NULL
FROM unnest($1::uuid[], $2::integer[]) AS newer (alert_id, revision)
WHERE d.alert_id = newer.alert_id AND d.revision < newer.revision
    AND d.state IN ('pending', 'refused', 'exhausted')
RETURNING d.delivery_id
"""

_FREE: Final = """
UPDATE notify.delivery SET due_at = NULL, attempts = attempts - 1
WHERE alert_id = ANY ($1::uuid[]) AND delivery_id = ANY ($2::uuid[]) AND state = 'superseded'
    AND due_at IS NOT NULL
"""

# A path that has the alert is left alone by what amends it, and so is an agency that has answered it.
_SPARE: Final = """
UPDATE notify.delivery d
SET state = CASE
        WHEN taken.alert_id IS NOT NULL THEN 'acknowledged'
        WHEN declined.alert_id IS NOT NULL THEN 'declined'
        ELSE 'superseded'
    END,
    due_at = NULL, leased_by = NULL
FROM unnest($1::uuid[], $2::integer[]) AS newer (alert_id, revision)
LEFT JOIN notify.acknowledgement taken ON taken.alert_id = newer.alert_id
LEFT JOIN notify.refusal declined ON declined.alert_id = newer.alert_id
WHERE d.alert_id = newer.alert_id AND d.revision = newer.revision AND d.state = 'pending' AND (
    taken.alert_id IS NOT NULL OR declined.alert_id IS NOT NULL OR EXISTS (
        SELECT FROM notify.delivery earlier
        WHERE earlier.alert_id = d.alert_id AND earlier.channel = d.channel
            AND earlier.target = d.target AND earlier.state = 'delivered'
    )
)
RETURNING d.delivery_id
"""

_AWAIT_NO_MORE: Final = """
DELETE FROM notify.awaited w USING notify.alert a
WHERE a.alert_id = ANY ($1::uuid[]) AND w.acknowledge_by = a.acknowledge_by AND w.alert_id = a.alert_id
"""

_INSERT_UNREADABLE: Final = """
INSERT INTO notify.unreadable (cluster_id, topic, partition, position, value, stored_at)
SELECT batch.*, $6 FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bytea[]) AS batch
ON CONFLICT DO NOTHING
"""

_SELECT_FEED: Final = f"""
SELECT a.feed_position, {RECORD_COLUMNS}
FROM notify.alert a
WHERE a.agency = $1 AND a.feed_position > $2 AND a.command IN ('deliver', 'amend') AND NOT EXISTS (
    SELECT FROM notify.alert newer
    WHERE newer.alert_id = a.alert_id AND newer.revision > a.revision AND newer.command <> 'review'
)
ORDER BY a.feed_position
LIMIT $3
"""  # noqa: S608 -- columns of ours

_SELECT_NEWEST: Final = f"""
SELECT {RECORD_COLUMNS} FROM notify.alert a
WHERE a.alert_id = $1 AND a.command <> 'review'
ORDER BY a.revision DESC
LIMIT 1
"""  # noqa: S608 -- columns of ours

_SELECT_RUNGS: Final = """
SELECT DISTINCT alert_id FROM notify.alert WHERE rung_of = ANY ($1::uuid[]) AND rung_to = 'agency'
"""
