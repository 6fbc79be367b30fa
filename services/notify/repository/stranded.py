"""What nobody would ever look at again: rows without a next step, which no code of ours should make."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from services.runtime.database import Pool, connection


class StrandedRepository:
    """Counts, and changes nothing: what is found is a fault of ours, and somebody must look."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count(self, *, overdue_since: datetime, not_before: datetime) -> Mapping[str, int]:
        """By kind. It should have been seen to by `overdue_since`; `not_before` is beyond any schedule."""
        async with connection(self._pool) as acquired:
            row = await acquired.fetchrow(_COUNT, overdue_since, not_before)
        return {} if row is None else dict(row)


# A claim joins the alert, so a delivery without one is never attempted. Of the others those are due that no
# schedule makes wait so long, alerts that should have been told late, and receipts that nobody published, or
# that routing does not take.
_COUNT: Final = """
SELECT
    (
        SELECT count(*) FROM notify.delivery d
        WHERE d.state = 'pending' AND NOT EXISTS (
            SELECT FROM notify.alert a WHERE a.alert_id = d.alert_id AND a.revision = d.revision
        )
    ) AS deliveries_without_alert,
    (
        SELECT count(*) FROM notify.delivery WHERE state = 'pending' AND due_at > $2
    ) AS deliveries_never_due,
    (
        SELECT count(*) FROM notify.awaited WHERE acknowledge_by < $1
    ) AS alerts_not_told_late,
    (
        SELECT count(*) FROM notify.outbox WHERE claimed_at < $1
    ) AS receipts_not_taken
"""
