"""Duties whose next reminder is due, within the caller's transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.runtime.database import Connection


class RemindedDuty(NamedTuple):
    """A duty of which somebody may have to be reminded."""

    duty_id: UUID
    source: str
    event_id: str
    case_ref: str
    rule: str
    holder: str | None
    what: str
    due: datetime | None
    status: str
    decided_at: datetime


class ReminderRepository:
    """Found first and locked after their cases: so does everybody who changes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_due(self, *, limit: int) -> list[tuple[UUID, str]]:
        """Ids and cases of duties, the longest due first."""
        rows = await self._connection.fetch(_FIND_DUE, limit)
        return [(_plain(row["duty_id"]), row["case_ref"]) for row in rows]

    async def lock_due(self, duty_ids: Collection[UUID]) -> list[RemindedDuty]:
        """Those of them that are still due, now that their cases are locked."""
        rows = await self._connection.fetch(_LOCK_DUE, list(duty_ids))
        return [RemindedDuty(_plain(row["duty_id"]), *tuple(row)[1:]) for row in rows]

    async def list_told(self, alert_ids: Collection[UUID]) -> set[UUID]:
        """Those that the ledger has already."""
        rows = await self._connection.fetch(_LIST_TOLD, list(alert_ids))
        return {_plain(row["alert_id"]) for row in rows}

    async def move(self, remind_at: Mapping[UUID, datetime | None]) -> None:
        if remind_at:
            await self._connection.execute(_MOVE, list(remind_at), list(remind_at.values()))


def _plain(read: UUID) -> UUID:
    return UUID(bytes=read.bytes)


_FIND_DUE: Final = """
SELECT duty_id, case_ref FROM routing.duty
WHERE remind_at <= statement_timestamp()
ORDER BY remind_at
LIMIT $1
"""

# Whoever brings evidence may hold a duty and wait for its case: not to be waited for.
_LOCK_DUE: Final = """
SELECT duty_id, source, event_id, case_ref, rule, holder, what, due, status, decided_at
FROM routing.duty
WHERE duty_id = ANY($1::uuid[]) AND remind_at <= statement_timestamp()
ORDER BY duty_id
FOR UPDATE SKIP LOCKED
"""

_LIST_TOLD: Final = "SELECT alert_id FROM routing.alert WHERE alert_id = ANY($1::uuid[])"

_MOVE: Final = """
UPDATE routing.duty AS kept SET remind_at = fresh.remind_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS fresh (duty_id, remind_at)
WHERE kept.duty_id = fresh.duty_id
"""
