"""Receipts to routing: published right after their transaction, kept until routing has them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from schemas.receipt import KIND_HEADER
from schemas.topics import RECEIPTS
from services.notify.receipts import Receipt
from services.notify.repository.outbox import OutboxRepository
from services.notify.repository.rows import ReceiptBatch
from services.runtime.clock import Clock
from services.runtime.kafka import Publisher, Record, is_passing_trouble, next_offsets
from services.runtime.logs import get_logger

log = get_logger()

SWEEP_SECONDS: Final = 2.0
ABANDONED_AFTER: Final = timedelta(seconds=60)
CLAIM_BATCHES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxPublisher:
    """What a gatherer of receipt batches hands them to."""

    outbox: OutboxRepository
    publisher: Publisher
    cluster_id: str

    async def publish(self, batches: Sequence[ReceiptBatch]) -> None:
        """Returns when every in-sync replica has the receipts, and the outbox says so."""
        records = [_record(receipt) for batch in batches for receipt in batch.receipts]
        places = await self.publisher.publish(records)
        await self.outbox.mark_published(
            [batch.batch_id for batch in batches],
            cluster_id=self.cluster_id,
            next_offsets=next_offsets(places),
        )
        log.info("receipts.published", receipt_count=len(records), batch_count=len(batches))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxSweeper:
    """Republishes what nobody published, and forgets what routing has taken over."""

    outbox: OutboxRepository
    publish: Callable[[ReceiptBatch], None]
    list_held: Callable[[], Sequence[int]]
    """The batches that are in memory here, to be published."""
    find_committed: Callable[[], Awaitable[dict[int, int]]]
    member: str
    cluster_id: str
    clock: Clock

    async def recover(self) -> None:
        """At the start: what an earlier life left, and what went to a cluster that is gone."""
        began, count = self.clock.now(), 0
        while batches := await self.outbox.claim_own(
            member=self.member, cluster_id=self.cluster_id, now=began, limit=CLAIM_BATCHES
        ):
            self._hand_on(batches)
            count += len(batches)
        if count:
            log.info("receipts.recovered", batch_count=count)

    async def sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except Exception as error:
                if not is_passing_trouble(error):
                    raise
                log.warning("receipts.not_swept", exc_info=error)

    async def sweep(self) -> None:
        now = self.clock.now()
        abandoned = await self.outbox.claim_abandoned(
            member=self.member,
            cluster_id=self.cluster_id,
            now=now,
            abandoned_since=now - ABANDONED_AFTER,
            held=self.list_held(),
            limit=CLAIM_BATCHES,
        )
        self._hand_on(abandoned)
        committed = await self.find_committed()
        await self.outbox.delete_taken_over(cluster_id=self.cluster_id, committed=committed)

    def _hand_on(self, batches: Sequence[ReceiptBatch]) -> None:
        for batch in batches:
            self.publish(batch)


def _record(receipt: Receipt) -> Record:
    return Record(RECEIPTS.name, receipt.key, receipt.value, ((KIND_HEADER, receipt.kind),))
