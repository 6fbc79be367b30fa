"""Our own receipts that came back from the log, until intake has read past them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from services.routing.repository.outbox import OutboxRepository
from services.runtime.kafka import is_passing_trouble
from services.runtime.logs import get_logger

log = get_logger()

FindRead: TypeAlias = Callable[[], Awaitable[Mapping[int, int]]]
"""How far intake has read the receipts: the next offset by partition."""

SETTLE_SECONDS: Final = 1.0
MOST_WAITING: Final = 100_000
"""What is beyond is forgotten here, and published again in time."""


class OwnReceipt(NamedTuple):
    """Where a receipt of ours stands in the log."""

    message_id: UUID
    partition: int
    offset: int


class ReadBack:
    """Strikes them off the outbox.

    That the log has them is not enough: a broker may lose its log before intake has read that far, and then a
    source would never learn what became of its event.
    """

    def __init__(self, outbox: OutboxRepository, *, find_read: FindRead) -> None:
        self._outbox = outbox
        self._find_read = find_read
        self._waiting: deque[OwnReceipt] = deque(maxlen=MOST_WAITING)

    def add(self, receipts: Iterable[OwnReceipt]) -> None:
        self._waiting.extend(receipts)

    async def settle(self) -> int:
        """How many were struck off."""
        if not self._waiting:
            return 0
        read = await self._find_read()
        waiting = list(self._waiting)
        done = [one for one in waiting if one.offset < read.get(one.partition, 0)]
        await self._outbox.delete([one.message_id for one in done])
        settled = set(done)
        self._waiting = deque((one for one in self._waiting if one not in settled), maxlen=MOST_WAITING)
        return len(done)

    async def settle_for_ever(self) -> None:
        while True:
            try:
                await self.settle()
            except Exception as error:
                if not is_passing_trouble(error):
                    raise
                log.warning("messages.not_settled", exc_info=error)
            await asyncio.sleep(SETTLE_SECONDS)
