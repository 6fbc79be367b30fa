"""Whether what waited in memory is still to be attempted: another process may have ended it meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from services.notify.repository.rows import Due
from services.runtime.clock import Clock

FindHeld: TypeAlias = Callable[[Sequence[Due]], Awaitable[Collection[UUID]]]
"""Of these, whose attempt this process may still begin."""

TRUSTED: Final = timedelta(seconds=1)
"""Well below the session (6 s) after which Kafka gives the partitions of a silent process to another."""


@dataclass(slots=True, kw_only=True)
class Claims:
    """Asked by each attempt as it begins.

    What takes the place of an alert, or stops it, comes through the partition of the alert. So a first
    attempt in the process that has just read it needs no question; one that waited, one that was claimed, and
    one whose partition may be another process's by now do. Those that begin together are asked for together.
    """

    find_held: FindHeld
    lease: timedelta
    clock: Clock
    _distrusted_at: datetime | None = None
    _asked: list[tuple[Due, "asyncio.Future[bool]"]] = field(default_factory=list)
    _asking: "asyncio.Task[None] | None" = None

    def distrust(self) -> None:
        """Partitions were taken from this process: what it leased until now may be ended elsewhere."""
        self._distrusted_at = self.clock.now()

    async def holds(self, due: Due) -> bool:
        """Raises one of database.TRANSIENT_ERRORS."""
        if not self._is_in_doubt(due):
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((due, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await answer

    def _is_in_doubt(self, due: Due) -> bool:
        leased_at = due.lease_until - self.lease
        return (
            due.is_claimed
            or self.clock.now() - leased_at > TRUSTED
            or (self._distrusted_at is not None and leased_at <= self._distrusted_at)
        )

    async def _ask(self) -> None:
        """One question after the other, each for all that came meanwhile."""
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                await self._ask_for(asked)
        finally:
            self._asking = None

    async def _ask_for(self, asked: list[tuple[Due, "asyncio.Future[bool]"]]) -> None:
        try:
            held = await self.find_held([due for due, _ in asked])
        except Exception as error:  # noqa: BLE001 -- handed to those who asked, who say what comes of it
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
            return
        for due, answer in asked:
            if not answer.done():
                answer.set_result(due.delivery_id in held)
