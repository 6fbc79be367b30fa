"""Claiming what is due: retries, what another process left, and what found no room in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.notify.repository.deliveries import DeliveryRepository
from services.notify.repository.rows import Due
from services.notify.worker.lanes import Dispatcher
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.logs import get_logger

log = get_logger()

BUSY_SECONDS: Final = 0.04
MOST_CLAIMED: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryWorker:
    """Asks PostgreSQL for what is due, as much as the lanes have room for."""

    deliveries: DeliveryRepository
    dispatcher: Dispatcher
    member: str
    lease: timedelta
    poll: timedelta
    clock: Clock
    _doubts: set[datetime] = field(default_factory=set)
    """Ends of leases that were asked for, and may have been given, without an answer."""

    def doubt(self, *, lease_until: datetime) -> None:
        self._doubts.add(lease_until)

    async def recover(self) -> None:
        """At the start: this member's earlier life holds no lease any more."""
        freed = await self.deliveries.end_leases(member=self.member, now=self.clock.now())
        if freed:
            log.info("delivery.recovered", delivery_count=freed)

    async def give_back(self, waiting: Sequence[Due]) -> None:
        """At the end: what was never begun is due for the next process."""
        if not waiting:
            return
        try:
            await self.deliveries.give_back(
                [due.delivery_id for due in waiting], member=self.member, now=self.clock.now()
            )
        except TRANSIENT_ERRORS:
            return  # The leases end by themselves.
        log.info("delivery.given_back", delivery_count=len(waiting))

    async def run(self) -> None:
        while True:
            claimed = await self._try_to_claim()
            is_busy = claimed > 0 or self.dispatcher.has_waiting
            await asyncio.sleep(BUSY_SECONDS if is_busy else self.poll.total_seconds())

    async def claim(self) -> int:
        now = self.clock.now()
        await self._settle_doubts(now)
        try:
            found = await self.deliveries.claim_due(
                member=self.member,
                now=now,
                lease_until=now + self.lease,
                rooms=self.dispatcher.claim_rooms(),
                room=self.dispatcher.claim_room,
                limit=MOST_CLAIMED,
            )
        except TRANSIENT_ERRORS:
            self.doubt(lease_until=now + self.lease)
            raise
        for due in found:
            self.dispatcher.start(due)
        return len(found)

    async def _settle_doubts(self, now: datetime) -> None:
        """Again and again until the lease ends: a server may commit long after its client gave up."""
        self._doubts.difference_update([lease_until for lease_until in self._doubts if lease_until <= now])
        if not self._doubts:
            return
        freed = await self.deliveries.give_back_unanswered(list(self._doubts), member=self.member, now=now)
        if freed:
            log.info("delivery.recovered", delivery_count=freed)

    async def _try_to_claim(self) -> int:
        try:
            return await self.claim()
        except TRANSIENT_ERRORS as error:
            log.warning("delivery.not_claimed", exc_info=error)
            return 0
