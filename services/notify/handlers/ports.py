"""What handlers ask of the machinery that delivers, without knowing it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from schemas.alert import AlertRecord
from services.notify.repository.rows import Due, ReceiptBatch


class Deliveries(Protocol):
    """Where first attempts begin."""

    def room(self, lane: str) -> int:
        """How many more first attempts may wait in memory for this lane."""
        ...

    def start(self, due: Due) -> None: ...

    def forget(self, alert_ids: Collection[UUID]) -> Sequence[Due]:
        """Nothing that waits for these alerts is to be attempted; what waited."""
        ...


class Doubt(Protocol):
    """Where a statement that took leases reports that it ended without an answer."""

    def __call__(self, *, lease_until: datetime) -> None:
        """PostgreSQL may hold leases until this instant of which nothing is in memory."""
        ...


class HandOver(Protocol):
    """What sees to it that routing hears of every alert that is stored."""

    def expect(self, records: Iterable[AlertRecord]) -> None:
        """First attempts at these begin now: their results will tell, and if they take long, it will."""
        ...

    async def tell(self, records: Sequence[AlertRecord]) -> None:
        """Tell now that these are stored."""
        ...


class Outgoing(Protocol):
    """Where receipts go once their transaction is committed."""

    def __call__(self, batch: ReceiptBatch | None) -> None: ...
