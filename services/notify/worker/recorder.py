"""Writing down results, many in a transaction, and handing on their receipts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.notify.repository.deliveries import DeliveryRepository
from services.notify.repository.rows import ReceiptBatch, Result
from services.notify.worker.handover import HandOver
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """What a gatherer of results hands them to."""

    deliveries: DeliveryRepository
    publish: Callable[[ReceiptBatch | None], None]
    hand_over: HandOver
    see: Callable[[Sequence[Result]], None]
    """Told of results once they are written."""
    member: str
    clock: Clock

    async def record(self, results: Sequence[Result]) -> None:
        recorded = await self.deliveries.record(results, member=self.member, now=self.clock.now())
        self.publish(recorded.receipts)
        self.publish(recorded.unreachable)
        self.see(results)
        if recorded.unreachable is not None:
            log.warning("alerts.unreachable", alert_count=len(recorded.unreachable.receipts))
        for result in results:
            if result.receipt is not None:
                self.hand_over.strike(result.alert_id, result.revision)
