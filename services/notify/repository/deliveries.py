"""Deliveries: claimed when they are due, settled by the results of their attempts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notify.delivery import FAILED_AFTER, DeliveryState, Outcome, Path
from services.notify.repository.awaited import lock_awaited, record_unreachable
from services.notify.repository.rows import RECORD_COLUMNS, Due, ReceiptBatch, Result, plain_uuid, read_due
from services.runtime.database import Connection, Pool, connection, transaction


@dataclass(frozen=True, slots=True)
class RecordedResults:
    """What is to be published of results: what became of deliveries, and of alerts with no path left."""

    receipts: ReceiptBatch | None
    unreachable: ReceiptBatch | None


class DeliveryRepository:
    """Claim, let go, send, record: no connection is held while an agency is asked."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim_due(
        self,
        *,
        member: str,
        now: datetime,
        lease_until: datetime,
        rooms: Mapping[str, int],
        room: int,
        limit: int,
    ) -> list[Due]:
        """What is due: of a lane at most `rooms[lane]`, else `room`, the longest due first."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(
                _CLAIM, now, lease_until, member, list(rooms), list(rooms.values()), room, limit
            )
        return [read_due(row) for row in rows]

    async def record(self, results: Sequence[Result], *, member: str, now: datetime) -> RecordedResults:
        """One transaction: every attempt, where its delivery stands, and the receipts of what changed.

        And where an alert has no path left that has not failed, the receipt that says so: looked for only
        where a path has failed.
        """
        in_doubt = sorted({result.alert_id for result in results if _has_failed(result)})
        if not in_doubt:
            async with connection(self._pool) as acquired:
                return RecordedResults(await _record(acquired, results, member=member, now=now), None)
        async with transaction(self._pool) as acquired:
            locked = await lock_awaited(acquired, in_doubt)
            told = await _record(acquired, results, member=member, now=now)
            if not locked:
                return RecordedResults(told, None)
            unreachable = await record_unreachable(acquired, locked, now=now, member=member)
        return RecordedResults(told, unreachable)

    async def find_held(self, dues: Sequence[Due], *, member: str) -> Collection[UUID]:
        """Of these, whose attempt this member may still begin. Of the others nothing can arrive by it."""
        async with connection(self._pool) as acquired:
            rows = await acquired.fetch(
                _FIND_HELD,
                [due.record.alert_id for due in dues],
                [due.delivery_id for due in dues],
                [due.number for due in dues],
                member,
            )
        return {plain_uuid(row["delivery_id"]) for row in rows}

    async def give_back(self, delivery_ids: Sequence[UUID], *, member: str, now: datetime) -> None:
        """Ends the leases of deliveries whose attempt was never begun."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_GIVE_BACK, delivery_ids, member, now)

    async def supersede_earlier(
        self, alert_ids: Sequence[UUID], path: Path, *, now: datetime
    ) -> list[DeliveryState]:
        """Ends what is pending or a dead letter of these alerts on this path; what became of each there.

        Of e-mail also what is for another contact: the mail server may give it out later.

        What was superseded in the middle of an attempt is pending until its result is there. Whatever had an
        attempt that is not known to have missed counts as delivered: it may have arrived.
        """
        async with transaction(self._pool) as acquired:
            await acquired.execute(_SUPERSEDE_EARLIER, alert_ids, path.channel, path.target, now)
            rows = await acquired.fetch(_SELECT_EARLIER, alert_ids, path.channel, path.target, now)
        return [DeliveryState(row["state"]) for row in rows]

    async def add_letters(
        self, due: Due, told: Sequence[UUID], *, letters: Mapping[str, UUID], now: datetime
    ) -> None:
        """More letters of the alert: to contacts who were to be sent any of these.

        `letters` are ids by contact.
        """
        record = due.record
        async with transaction(self._pool) as acquired:
            # Whoever begins another delivery of it does the same.
            await acquired.execute(_LOCK_DELIVERIES, record.alert_id)
            await acquired.execute(
                _ADD_LETTERS,
                record.alert_id,
                record.revision,
                list(letters),
                list(letters.values()),
                told,
                now,
            )

    async def put_off(self, due: Due, *, until: datetime) -> None:
        """Not attempted now: due again then, and the attempt that was counted for it is not."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_PUT_OFF, due.record.alert_id, due.delivery_id, due.number, until)

    async def end_in_silence(self, due: Due, *, state: DeliveryState = DeliveryState.SUPERSEDED) -> None:
        """Nothing is to be told on its path, now or later; the attempt that was counted for it is not."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_END_IN_SILENCE, due.record.alert_id, due.delivery_id, due.number, state)

    async def give_back_unanswered(self, leases: Sequence[datetime], *, member: str, now: datetime) -> int:
        """Ends what statements took that never learnt it, known by the instants until which they took it."""
        async with connection(self._pool) as acquired:
            freed: int = await acquired.fetchval(_GIVE_BACK_UNANSWERED, leases, member, now)
        return freed

    async def end_leases(self, *, member: str, now: datetime) -> int:
        """At the start: what an earlier life of this member held is due at once; how many."""
        async with connection(self._pool) as acquired:
            freed: int = await acquired.fetchval(_END_LEASES, member, now)
        return freed


async def _record(
    acquired: Connection, results: Sequence[Result], *, member: str, now: datetime
) -> ReceiptBatch | None:
    rows = await acquired.fetch(_RECORD, member, now, *_columns(results))
    changed = {row["delivery_id"] for row in rows}
    receipts = [
        result.receipt for result in results if result.receipt is not None and result.delivery_id in changed
    ]
    return ReceiptBatch(rows[0]["batch_id"], receipts) if receipts else None


def _has_failed(result: Result) -> bool:
    """Whether its path may have failed by this attempt; those before a redrive are looked at as well."""
    if result.state is DeliveryState.PENDING:
        return result.outcome is Outcome.UNAVAILABLE and result.number >= FAILED_AFTER
    return result.state in {DeliveryState.REFUSED, DeliveryState.EXHAUSTED}


def _columns(results: Sequence[Result]) -> tuple[list[object], ...]:
    return (
        [result.alert_id for result in results],
        [result.delivery_id for result in results],
        [result.number for result in results],
        [result.started_at for result in results],
        [result.duration_ms for result in results],
        [result.outcome for result in results],
        [result.status_code for result in results],
        [result.enhanced_code for result in results],
        [result.detail for result in results],
        [result.state for result in results],
        [result.due_at for result in results],
        [None if result.receipt is None else result.receipt.value for result in results],
        [result.has_missed for result in results],
    )


# Lanes are found by skipping through the index: ten thousand deliveries to one dead endpoint cost no more.
# Rungs are looked up row by row: EXISTS might be answered by reading every alert.
_CLAIM: Final = f"""
WITH RECURSIVE lanes AS (
    (SELECT lane FROM notify.delivery WHERE state = 'pending' ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (
        SELECT d.lane FROM notify.delivery d
        WHERE d.state = 'pending' AND d.lane > lanes.lane
        ORDER BY d.lane LIMIT 1
    )
    FROM lanes WHERE lanes.lane IS NOT NULL
), chosen AS (
    SELECT due.alert_id, due.delivery_id
    FROM lanes
    LEFT JOIN unnest($4::text[], $5::integer[]) AS rooms (lane, room) ON rooms.lane = lanes.lane
    CROSS JOIN LATERAL (
        SELECT d.alert_id, d.delivery_id
        FROM notify.delivery d
        WHERE d.state = 'pending' AND d.lane = lanes.lane AND d.due_at <= $1
        ORDER BY d.due_at
        LIMIT coalesce(rooms.room, $6)
        FOR UPDATE SKIP LOCKED
    ) due
    LIMIT $7
)
UPDATE notify.delivery d
SET attempts = d.attempts + 1, due_at = $2, leased_by = $3
FROM chosen, notify.alert a
WHERE d.alert_id = chosen.alert_id AND d.delivery_id = chosen.delivery_id
    AND a.alert_id = d.alert_id AND a.revision = d.revision
RETURNING d.delivery_id, d.channel, d.target, d.attempts, d.earlier_attempts, d.due_at, {RECORD_COLUMNS},
    a.rung_of IS NOT NULL OR coalesce(
        (SELECT true FROM notify.alert rung WHERE rung.rung_of = a.alert_id LIMIT 1), false
    ) AS is_on_ladder
"""  # noqa: S608 -- columns of ours

# A result counts while its delivery is pending and nobody has begun a later attempt; that something was
# delivered counts whatever else was concluded meanwhile. That an attempt missed counts once, for a result may
# be written again: only while the attempt is known to be under way. In one UPDATE: PostgreSQL judges a row
# anew that another transaction superseded meanwhile. Receipts tell of what counted, a line each as in
# `receipts.pack`.
_RECORD: Final = """
WITH made AS (
    SELECT * FROM unnest(
        $3::uuid[], $4::uuid[], $5::integer[], $6::timestamptz[], $7::integer[], $8::text[], $9::integer[],
        $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::bytea[], $15::boolean[]
    ) AS batch (
        alert_id, delivery_id, number, started_at, duration_ms, outcome, status_code, enhanced_code, detail,
        state, due_at, receipt, has_missed
    )
), kept AS (
    INSERT INTO notify.attempt (
        delivery_id, number, started_at, duration_ms, outcome, status_code, enhanced_code, detail
    )
    SELECT delivery_id, number, started_at, duration_ms, outcome, status_code, enhanced_code, detail FROM made
    ON CONFLICT (delivery_id, number) DO NOTHING
), changed AS (
    UPDATE notify.delivery d
    SET state = CASE
            WHEN d.state = 'superseded' AND made.state <> 'delivered' THEN d.state ELSE made.state
        END,
        due_at = CASE WHEN d.state = 'superseded' THEN NULL ELSE made.due_at END,
        leased_by = NULL,
        missed_attempts = d.missed_attempts
            + (made.has_missed AND (d.leased_by IS NOT NULL OR d.state = 'superseded'))::integer
    FROM made
    WHERE d.alert_id = made.alert_id AND d.delivery_id = made.delivery_id AND (
        (d.state = 'pending' AND d.attempts = made.number)
        OR (d.state <> 'delivered' AND made.state = 'delivered')
        OR (d.state = 'superseded' AND d.due_at IS NOT NULL AND d.attempts = made.number)
    )
    RETURNING d.delivery_id, d.state = made.state AS counts, made.receipt
), told AS (
    INSERT INTO notify.outbox (member, claimed_at, receipts)
    SELECT $1, $2, string_agg(receipt, E'\\n') FROM changed
    WHERE counts AND receipt IS NOT NULL HAVING count(*) > 0
    RETURNING batch_id
)
SELECT changed.delivery_id, told.batch_id FROM changed LEFT JOIN told ON true WHERE changed.counts
"""

# A lease that has ended is nobody's: whoever had it lets the delivery go, or is dead. Until then an attempt
# may be under way, and none follows it: who waits for its result does not wait for the next one, too.
_SUPERSEDE_EARLIER: Final = """
UPDATE notify.delivery
SET state = 'superseded', leased_by = NULL,
    due_at = CASE WHEN leased_by IS NOT NULL AND due_at > $4 THEN due_at END
WHERE alert_id = ANY ($1::uuid[]) AND channel = $2 AND (target = $3 OR channel = 'email')
    AND state IN ('pending', 'refused', 'exhausted')
"""

_SELECT_EARLIER: Final = """
SELECT CASE
    WHEN state = 'pending' OR (state = 'superseded' AND due_at > $4) THEN 'pending'
    WHEN attempts > missed_attempts THEN 'delivered'
    ELSE state
END AS state
FROM notify.delivery WHERE alert_id = ANY ($1::uuid[]) AND channel = $2 AND target = $3
"""

_LOCK_DELIVERIES: Final = """
SELECT FROM notify.delivery WHERE alert_id = $1 ORDER BY delivery_id LIMIT 1 FOR UPDATE
"""

_ADD_LETTERS: Final = """
INSERT INTO notify.delivery (
    delivery_id, alert_id, revision, channel, target, lane, state, attempts, due_at
)
SELECT letter.delivery_id, $1, $2, 'email', letter.contact, 'email', 'pending', 0, $6
FROM unnest($3::text[], $4::uuid[]) AS letter (contact, delivery_id)
WHERE EXISTS (
    SELECT FROM notify.delivery earlier
    WHERE earlier.alert_id = ANY ($5::uuid[]) AND earlier.channel = 'email'
        AND earlier.target = letter.contact
) AND NOT EXISTS (
    SELECT FROM notify.delivery own
    WHERE own.alert_id = $1 AND own.channel = 'email' AND own.target = letter.contact
)
"""

_PUT_OFF: Final = """
UPDATE notify.delivery SET attempts = attempts - 1, due_at = $4, leased_by = NULL
WHERE alert_id = $1 AND delivery_id = $2 AND state = 'pending' AND attempts = $3
"""

_END_IN_SILENCE: Final = """
UPDATE notify.delivery SET state = $4, attempts = attempts - 1, due_at = NULL, leased_by = NULL
WHERE alert_id = $1 AND delivery_id = $2 AND state = 'pending' AND attempts = $3
"""

# What was superseded while it waited for its attempt is free of its lease, and that attempt was none: a
# cancel need not wait for it.
_FIND_HELD: Final = """
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[]) AS asked (alert_id, delivery_id, number)
), freed AS (
    UPDATE notify.delivery d SET due_at = NULL, attempts = d.attempts - 1
    FROM asked
    WHERE d.alert_id = asked.alert_id AND d.delivery_id = asked.delivery_id AND d.attempts = asked.number
        AND d.state = 'superseded' AND d.due_at IS NOT NULL
)
SELECT d.delivery_id
FROM asked JOIN notify.delivery d ON d.alert_id = asked.alert_id AND d.delivery_id = asked.delivery_id
WHERE d.state = 'pending' AND d.attempts = asked.number AND d.leased_by = $4
"""

_GIVE_BACK: Final = """
UPDATE notify.delivery SET attempts = attempts - 1, due_at = $3, leased_by = NULL
WHERE delivery_id = ANY ($1::uuid[]) AND state = 'pending' AND leased_by = $2
"""

_GIVE_BACK_UNANSWERED: Final = """
WITH freed AS (
    UPDATE notify.delivery SET attempts = attempts - 1, due_at = $3, leased_by = NULL
    WHERE due_at = ANY ($1::timestamptz[]) AND state = 'pending' AND leased_by = $2
    RETURNING 1
)
SELECT count(*) FROM freed
"""

_END_LEASES: Final = """
WITH freed AS (
    UPDATE notify.delivery SET due_at = $2, leased_by = NULL
    WHERE state = 'pending' AND leased_by = $1
    RETURNING 1
)
SELECT count(*) FROM freed
"""
