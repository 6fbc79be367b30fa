"""Which endpoints are being added: one request at a time for each, over all processes."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.notify.receipts import Receipt
from services.notify.repository.outbox import insert_receipts
from services.notify.repository.rows import ReceiptBatch
from services.runtime.database import Pool, connection, transaction


class OnboardingRepository:
    """A claim lasts while its endpoint is tried, and then until routing has taken over that it passed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, endpoint_id: str, *, request: UUID, now: datetime, until: datetime) -> bool:
        """False: another request has it. One that died has it no longer than `until`."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_FORGET, now)
            return await acquired.fetchval(_CLAIM, endpoint_id, request, until) is not None

    async def release(self, endpoint_id: str, *, request: UUID) -> None:
        """It did not pass: the next may try at once."""
        async with connection(self._pool) as acquired:
            await acquired.execute(_RELEASE, endpoint_id, request)

    async def tell(
        self, endpoint_id: str, receipt: Receipt, *, request: UUID, member: str, now: datetime
    ) -> ReceiptBatch | None:
        """Writes that it passed; None, and nothing is written, if the claim was lost meanwhile."""
        async with transaction(self._pool) as acquired:
            if await acquired.fetchval(_HOLD, endpoint_id, request) is None:
                return None
            batch = await insert_receipts(acquired, [receipt], member=member, now=now)
            if batch is not None:
                await acquired.execute(_TELL, endpoint_id, batch.batch_id)
            return batch


# Waits for nobody, in a transaction of its own.
_FORGET: Final = """
DELETE FROM notify.onboarding
WHERE endpoint_id IN (
    SELECT endpoint_id FROM notify.onboarding kept
    WHERE held_until <= $1 AND NOT EXISTS (SELECT FROM notify.outbox o WHERE o.batch_id = kept.batch_id)
    FOR UPDATE SKIP LOCKED
)
"""
_CLAIM: Final = """
INSERT INTO notify.onboarding (endpoint_id, request_id, held_until) VALUES ($1, $2, $3)
ON CONFLICT (endpoint_id) DO NOTHING
RETURNING endpoint_id
"""
_RELEASE: Final = "DELETE FROM notify.onboarding WHERE endpoint_id = $1 AND request_id = $2"
_HOLD: Final = """
SELECT endpoint_id FROM notify.onboarding WHERE endpoint_id = $1 AND request_id = $2 FOR UPDATE
"""
# From now on the receipt holds it: its batch goes once routing has taken it over.
_TELL: Final = "UPDATE notify.onboarding SET batch_id = $2, held_until = '-infinity' WHERE endpoint_id = $1"
