"""Our own receipts that the log has, until intake has read past them."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from services.routing.repository.outbox import OutboxRepository
from services.runtime.kafka import Place, next_offsets
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever

log = get_logger()

FindRead: TypeAlias = Callable[[], Awaitable[Mapping[int, int]]]
"""How far intake has read the receipts: the next offset by partition."""

SETTLE_SECONDS: Final = 1.0
MOST_WAITING: Final = 10_000
"""What is beyond is forgotten here, and published again in time."""


class _Published(NamedTuple):
    """Receipts of ours that are kept together: what intake must have committed to have read them all."""

    message_id: UUID
    next_offsets: Mapping[int, int]


class ReadBack:
    """Strikes them off the outbox.

    That the log has them is not enough: a broker may lose its log before intake has read that far, and then a
    source would never learn what became of its event.
    """

    def __init__(self, outbox: OutboxRepository, *, find_read: FindRead) -> None:
        self._outbox = outbox
        self._find_read = find_read
        self._waiting: deque[_Published] = deque(maxlen=MOST_WAITING)

    def add(self, message_id: UUID, places: Iterable[Place]) -> None:
        self._waiting.append(_Published(message_id, next_offsets(places)))

    async def settle(self) -> int:
        """How many were struck off."""
        if not self._waiting:
            return 0
        read = await self._find_read()
        done = {one.message_id for one in self._waiting if _is_read(one, read)}
        await self._outbox.delete(done)
        left = (one for one in self._waiting if one.message_id not in done)
        self._waiting = deque(left, maxlen=MOST_WAITING)
        return len(done)

    async def settle_for_ever(self) -> None:
        await repeat_for_ever(
            self.settle,
            seconds=SETTLE_SECONDS,
            on_trouble=lambda error: log.warning("messages.not_settled", exc_info=error),
        )


def _is_read(published: _Published, read: Mapping[int, int]) -> bool:
    return all(read.get(partition, 0) >= wanted for partition, wanted in published.next_offsets.items())
