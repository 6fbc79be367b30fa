"""Publishing again what was decided and nobody has taken over."""

from typing import Final

from services.routing.handlers.messages import HAND_OVER_PATIENCE
from services.routing.handlers.sending import Sender
from services.routing.repository.outbox import OutboxRepository
from services.routing.repository.rows import OutboxMessage
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever

log = get_logger()

SWEEP_SECONDS: Final = 5.0
PAGE: Final = 500


class HandOver:
    """A record whose log was lost, or whose publishing failed, is published again as it was."""

    def __init__(self, outbox: OutboxRepository, sender: Sender, *, cluster_id: str) -> None:
        self._outbox = outbox
        self._sender = sender
        self._cluster_id = cluster_id

    async def sweep_for_ever(self) -> None:
        """First what went to a cluster that is no more, then every five seconds what is late."""
        await repeat_for_ever(
            self._sweep,
            seconds=SWEEP_SECONDS,
            on_trouble=lambda error: log.warning(
                "messages.not_republished", reason="unavailable", exc_info=error
            ),
        )

    async def republish_lost(self) -> int:
        """What was published to another cluster than this one: its log is gone."""
        count = 0
        while page := await self._outbox.claim_from_lost_clusters(
            cluster_id=self._cluster_id, limit=PAGE, pause=HAND_OVER_PATIENCE
        ):
            await self._publish(page, reason="cluster_changed")
            count += len(page)
        return count

    async def republish_late(self) -> int:
        """One page a sweep: who does not take over because it is down must not find a flood."""
        page = await self._outbox.claim_due(cluster_id=self._cluster_id, limit=PAGE)
        await self._publish(page, reason="not_taken_over")
        return len(page)

    async def _sweep(self) -> None:
        await self.republish_lost()
        await self.republish_late()

    async def _publish(self, page: list[OutboxMessage], *, reason: str) -> None:
        if not page:
            return
        log.warning(
            "messages.republished", record_count=len(page), cluster_id=self._cluster_id, reason=reason
        )
        await self._sender.send(page)
