"""What was told earlier and is looked at again, in a transaction: ladders, duties, alerts on their way."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.routing.repository.batch import EventKey
from services.routing.repository.rows import (
    Account,
    AlertRow,
    DeadAlert,
    DutyRow,
    EvidenceRow,
    KeyedCase,
    LadderRow,
    PendingAlert,
    Telling,
    ToldAlert,
)
from services.runtime.database import Connection


class FollowUpRepository:
    """Reads, locks and writes about alerts and duties of earlier decisions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def renew_duties(self, rows: Sequence[DutyRow]) -> None:
        """Duties of a correction: those of its chain that are there already get their new due instant."""
        await _execute(self._connection, _RENEW_DUTIES, rows)

    async def review_duties(self, duty_ids: Collection[UUID]) -> None:
        """What they came from was withdrawn; one that evidence closed stays closed."""
        if duty_ids:
            await self._connection.execute(_REVIEW_DUTIES, list(duty_ids))

    async def find_told_alerts(self, alert_ids: Collection[UUID]) -> dict[UUID, ToldAlert]:
        """With the case of the event's one decision: that of the first event, for an id used again."""
        rows = await self._connection.fetch(_FIND_TOLD_ALERTS, list(alert_ids))
        return {row["alert_id"]: ToldAlert(*row) for row in rows}

    async def find_pending_alerts(self, case_refs: Collection[str]) -> list[PendingAlert]:
        """Every alert and notice of these cases that was not stopped, as it was told last, oldest first."""
        rows = await self._connection.fetch(_FIND_PENDING, list(case_refs))
        return [PendingAlert(_read_alert(row), row["is_received"]) for row in rows]

    async def list_cases_waiting_for(
        self, agencies: Collection[str], *, after: str, limit: int
    ) -> list[KeyedCase]:
        """Cases, in order, of alerts that climb and that none of these agencies is known to have."""
        rows = await self._connection.fetch(_LIST_WAITING, list(agencies), after, limit)
        return [KeyedCase(*row) for row in rows]

    async def find_accounts(self, events: Collection[EventKey]) -> dict[EventKey, Account]:
        sources, ids = list(zip(*events, strict=True)) or [(), ()]
        rows = await self._connection.fetch(_FIND_ACCOUNTS, sources, ids)
        return {(row["source"], row["event_id"]): Account(*row[2:]) for row in rows}

    async def insert_evidence(self, rows: Sequence[EvidenceRow]) -> None:
        """Also closes the duties, if they are the agency's own."""
        if rows:
            await self._connection.copy_records_to_table(
                "evidence", schema_name="routing", columns=EvidenceRow._fields, records=rows
            )
            duties, agencies = [row.duty_id for row in rows], [row.agency for row in rows]
            await self._connection.execute(_CLOSE_DUTIES, duties, agencies)

    async def find_dead_alerts(self, alert_ids: Collection[UUID]) -> dict[UUID, DeadAlert]:
        if not alert_ids:
            return {}
        rows = await self._connection.fetch(_FIND_DEAD, list(alert_ids))
        return {row["alert_id"]: DeadAlert(*row) for row in rows}

    async def insert_notices(self, rows: Sequence[AlertRow]) -> set[UUID]:
        """Those that nobody told before; whoever tells one at this moment is waited for."""
        fresh = [
            await self._connection.fetchval(_INSERT_NOTICE, *row)
            for row in sorted(rows, key=lambda row: row.alert_id)
        ]
        return {alert_id for alert_id in fresh if alert_id is not None}

    async def claim_ladders(self, *, limit: int) -> list[LadderRow]:
        """Those that are due and that nobody else is climbing, the longest due first."""
        return [LadderRow(*row) for row in await self._connection.fetch(_CLAIM_LADDERS, limit)]

    async def list_tellings(self, alert_ids: Collection[UUID]) -> list[Telling]:
        """All that the events of these alerts told as alerts, rungs included."""
        return [Telling(*row) for row in await self._connection.fetch(_LIST_TELLINGS, list(alert_ids))]

    async def hasten_ladders(self, failed: Mapping[UUID, int]) -> None:
        """They are due now, with the rung that failed. Waits for who is climbing one of them."""
        await _execute(self._connection, _HASTEN_LADDERS, list(failed.items()))

    async def move_ladders(self, due: Mapping[UUID, datetime]) -> None:
        await _execute(self._connection, _MOVE_LADDERS, list(due.items()))

    async def delete_ladders(self, alert_ids: Collection[UUID]) -> None:
        """But for those that somebody is climbing just now, who will find the alert acknowledged."""
        if alert_ids:
            await self._connection.execute(_DELETE_LADDERS, list(alert_ids))


def _read_alert(row: asyncpg.Record) -> AlertRow:
    """With ids of the standard library's own type, which is what is written as JSON."""
    alert = AlertRow(*row[:-1])
    replaces = None if alert.replaces is None else UUID(bytes=alert.replaces.bytes)
    return alert._replace(alert_id=UUID(bytes=alert.alert_id.bytes), replaces=replaces)


async def _execute(connection: Connection, statement: str, rows: Collection[Sequence[Any]]) -> None:
    if rows:
        await connection.execute(statement, *zip(*rows, strict=True))


_FIND_TOLD_ALERTS = """
SELECT told.alert_id, told.source, told.event_id, told.agency, decided.case_ref, decided.key_id
FROM unnest($1::uuid[]) AS wanted (alert_id)
CROSS JOIN LATERAL (
    SELECT alert_id, source, event_id, agency
    FROM routing.alert AS kept
    WHERE kept.alert_id = wanted.alert_id
    LIMIT 1
) AS told
CROSS JOIN LATERAL (
    SELECT case_ref, key_id
    FROM routing.decision AS kept
    WHERE kept.event_id = told.event_id AND kept.source = told.source
    LIMIT 1
) AS decided
"""

# A postcard says nothing of the case: who has only that has nothing of the alert yet.
_IS_RECEIVED = "(fact.kind = 'acknowledged' OR fact.kind = 'delivered' AND fact.channel <> 'email')"

_FIND_PENDING = f"""
SELECT newest.*, EXISTS (
    SELECT FROM routing.receipt AS fact
    WHERE fact.alert_id = newest.alert_id AND {_IS_RECEIVED}
) AS is_received
FROM (
    SELECT DISTINCT ON (alert_id) alert_id, revision, source, event_id, case_ref, form, kind, agency, role,
        contact, rules, urgency, acknowledge_by, escalation, reason, exercise, decided_at, command,
        replaces, detail
    FROM routing.alert
    WHERE case_ref = ANY($1::text[]) AND contact IS NOT NULL
    ORDER BY alert_id, revision DESC
) AS newest
WHERE newest.command <> 'stop'
ORDER BY newest.decided_at, newest.alert_id
"""  # noqa: S608 -- a condition of ours

_LIST_WAITING = f"""
SELECT DISTINCT ON (waiting.case_ref) waiting.case_ref, decided.key_id
FROM routing.ladder AS waiting
JOIN routing.decision AS decided
    ON decided.event_id = waiting.event_id AND decided.source = waiting.source
WHERE waiting.agency = ANY($1::text[]) AND waiting.case_ref > $2
    AND NOT EXISTS (
        SELECT FROM routing.receipt AS fact
        WHERE fact.alert_id = waiting.alert_id AND {_IS_RECEIVED}
    )
    AND NOT EXISTS (
        SELECT FROM routing.alert AS told WHERE told.alert_id = waiting.alert_id AND told.command = 'stop'
    )
ORDER BY waiting.case_ref
LIMIT $3
"""  # noqa: S608 -- a condition of ours

_FIND_ACCOUNTS = """
SELECT found.source, found.event_id, found.key_id, found.detail, found.values_sealed, found.correlation_id
FROM unnest($1::text[], $2::text[]) AS wanted (source, event_id)
CROSS JOIN LATERAL (
    SELECT source, event_id, key_id, detail, values_sealed, correlation_id
    FROM routing.decision AS kept
    WHERE kept.event_id = wanted.event_id AND kept.source = wanted.source
    LIMIT 1
) AS found
"""

_CLOSE_DUTIES = """
UPDATE routing.duty AS kept SET status = 'closed'
FROM unnest($1::uuid[], $2::text[]) AS closed (duty_id, agency)
WHERE kept.duty_id = closed.duty_id AND kept.holder = closed.agency
"""

_CLAIM_LADDERS = """
SELECT alert_id, source, event_id, agency, cause, told_at, case_ref, due, failed
FROM routing.ladder
WHERE due <= statement_timestamp()
ORDER BY due
LIMIT $1
FOR UPDATE SKIP LOCKED
"""

_MOVE_LADDERS = """
UPDATE routing.ladder AS kept SET due = fresh.due, failed = NULL
FROM unnest($1::uuid[], $2::timestamptz[]) AS fresh (alert_id, due)
WHERE kept.alert_id = fresh.alert_id
"""

_FIND_DEAD = """
SELECT told.alert_id, told.source, told.urgency, told.exercise
FROM unnest($1::uuid[]) AS wanted (alert_id)
CROSS JOIN LATERAL (
    SELECT alert_id, source, urgency, exercise
    FROM routing.alert AS kept
    WHERE kept.alert_id = wanted.alert_id
    LIMIT 1
) AS told
"""

_INSERT_NOTICE = f"""
INSERT INTO routing.alert ({", ".join(AlertRow._fields)})
VALUES ({", ".join(f"${n}" for n in range(1, len(AlertRow._fields) + 1))})
ON CONFLICT (alert_id, revision) DO NOTHING
RETURNING alert_id
"""  # noqa: S608 -- columns of ours

_LIST_TELLINGS = """
SELECT told.alert_id, told.source, told.event_id, told.agency, told.escalation, EXISTS (
    SELECT FROM routing.receipt AS fact
    WHERE fact.alert_id = told.alert_id AND fact.kind IN ('unreachable', 'refused')
) AS has_failed
FROM (
    SELECT DISTINCT source, event_id FROM routing.alert WHERE alert_id = ANY($1::uuid[])
) AS wanted
CROSS JOIN LATERAL (
    SELECT alert_id, source, event_id, agency, escalation
    FROM routing.alert AS kept
    WHERE kept.event_id = wanted.event_id AND kept.source = wanted.source
        AND kept.revision = 1 AND kept.form = 'alert'
) AS told
"""

_HASTEN_LADDERS = """
UPDATE routing.ladder AS kept SET due = least(kept.due, statement_timestamp()), failed = fresh.failed
FROM unnest($1::uuid[], $2::integer[]) AS fresh (alert_id, failed)
WHERE kept.alert_id = fresh.alert_id
"""

# Who climbs locks ladders before cases; who acknowledges has locked cases, and must not wait for a ladder.
_DELETE_LADDERS = """
DELETE FROM routing.ladder
WHERE alert_id IN (
    SELECT alert_id FROM routing.ladder WHERE alert_id = ANY($1::uuid[]) FOR UPDATE SKIP LOCKED
)
"""

_RENEW_DUTIES = """
INSERT INTO routing.duty AS kept (
    duty_id, source, event_id, case_ref, rule, holder, what, due, decided_at, remind_at
)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
    $9::timestamptz[], $10::timestamptz[]
)
ON CONFLICT (duty_id) DO UPDATE SET
    due = excluded.due,
    remind_at = CASE WHEN kept.status = 'open' AND kept.due IS NOT DISTINCT FROM excluded.due
        THEN kept.remind_at ELSE excluded.remind_at END,
    status = CASE kept.status WHEN 'closed' THEN 'closed' ELSE 'open' END
"""

_REVIEW_DUTIES = """
UPDATE routing.duty SET status = 'needs_review' WHERE duty_id = ANY($1::uuid[]) AND status = 'open'
"""
