"""Telling routing of alerts that nobody acknowledged in time; what follows from that, routing decides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.notify.repository.awaited import AwaitedRepository
from services.notify.repository.rows import ReceiptBatch
from services.runtime.clock import Clock
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever, take_pages

log = get_logger()

WATCH_SECONDS: Final = 0.5
MOST_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LatenessWatch:
    """Looks at the clock of every alert that waits for an acknowledgement."""

    awaited: AwaitedRepository
    publish: Callable[[ReceiptBatch], None]
    member: str
    clock: Clock

    async def watch_for_ever(self) -> None:
        await repeat_for_ever(
            lambda: take_pages(self.report, full=MOST_AT_ONCE),
            seconds=WATCH_SECONDS,
            on_trouble=lambda error: log.warning("alerts.not_watched", exc_info=error),
        )

    async def report(self) -> int:
        """How many were found late."""
        batch = await self.awaited.record_late(now=self.clock.now(), limit=MOST_AT_ONCE, member=self.member)
        if batch is None:
            return 0
        self.publish(batch)
        log.warning("alerts.unacknowledged", alert_count=len(batch.receipts))
        return len(batch.receipts)
