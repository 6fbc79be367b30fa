"""What handlers ask of the machinery that delivers, without knowing it."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notify.repository.rows import Due, ReceiptBatch


class Deliveries(Protocol):
    """Where first attempts begin."""

    def room(self, lane: str) -> int:
        """How many more first attempts may wait in memory for this lane."""
        ...

    def start(self, due: Due) -> None: ...

    def forget(self, alert_ids: Collection[UUID]) -> None:
        """Nothing that waits for these alerts is to be attempted."""
        ...


class Doubt(Protocol):
    """Where a statement that took leases reports that it ended without an answer."""

    def __call__(self, *, lease_until: datetime) -> None:
        """PostgreSQL may hold leases until this instant of which nothing is in memory."""
        ...


class Outgoing(Protocol):
    """Where receipts go once their transaction is committed."""

    def __call__(self, batch: ReceiptBatch | None) -> None: ...
