"""Telling routing that an alert is stored here, where nothing else tells it soon."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from schemas.alert import AlertRecord
from services.notify import receipts
from services.notify.repository.outbox import OutboxRepository
from services.notify.repository.rows import ReceiptBatch
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.logs import get_logger

log = get_logger()

PATIENCE_SECONDS: Final = 2.0
"""Well below the time after which routing publishes an alert again (10 s)."""
SWEEP_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class HandOver:
    """Stored alerts of which no receipt tells yet.

    That an alert was delivered or given up says that it was stored, and most are within milliseconds: one
    receipt instead of two. Only in memory: routing publishes again what it heard nothing of, and then it is
    told at once.
    """

    outbox: OutboxRepository
    publish: Callable[[ReceiptBatch | None], None]
    member: str
    clock: Clock
    _untold: dict[tuple[UUID, int], tuple[float, AlertRecord]] = field(default_factory=dict)
    """In the order in which they were stored."""

    def expect(self, records: Iterable[AlertRecord]) -> None:
        """Their first attempts begin now, and the result of one is told soon."""
        now = self.clock.monotonic()
        self._untold.update({(record.alert_id, record.revision): (now, record) for record in records})

    def strike(self, alert_id: UUID, revision: int) -> None:
        """A receipt tells of it."""
        self._untold.pop((alert_id, revision), None)

    async def tell(self, records: Sequence[AlertRecord]) -> None:
        """Say now that these are stored."""
        if not records:
            return
        now = self.clock.now()
        facts = [receipts.stored(record, at=now) for record in records]
        self.publish(await self.outbox.insert(facts, member=self.member, now=now))
        for record in records:
            self.strike(record.alert_id, record.revision)

    async def tell_late(self, *, patience: float = PATIENCE_SECONDS) -> None:
        """Those whose first attempts are not over yet."""
        until = self.clock.monotonic() - patience
        late = []
        for since, record in self._untold.values():
            if since > until:
                break
            late.append(record)
        await self.tell(late)

    async def tell_at_the_end(self) -> None:
        """So that routing need not publish again to a process that takes this one's place."""
        try:
            await self.tell_late(patience=0)
        except TRANSIENT_ERRORS as error:
            log.warning("receipts.not_written", exc_info=error)

    async def tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.tell_late()
            except TRANSIENT_ERRORS as error:
                log.warning("receipts.not_written", exc_info=error)
