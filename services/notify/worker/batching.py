"""Gathering what single attempts produce into batches that are worth a transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from services.runtime.kafka import is_passing_trouble, next_pause
from services.runtime.logs import get_logger

log = get_logger()

T = TypeVar("T")

FINISH_SECONDS: Final = 2.0


class Gatherer(Generic[T]):
    """Hands items on in order, in batches: when so many are there, or a moment after the first.

    A batch that meets passing trouble is handed on again until it is taken; any other error ends `run`.
    """

    def __init__(
        self,
        hand_on: Callable[[Sequence[T]], Awaitable[None]],
        *,
        name: str,
        most: int,
        moment: float,
    ) -> None:
        self._hand_on = hand_on
        self._name = name
        self._most = most
        self._moment = moment
        self._items: list[T] = []
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def items(self) -> Sequence[T]:
        """What was added and is not taken yet."""
        return self._items

    def add(self, item: T) -> None:
        self._items.append(item)
        self._idle.clear()
        self._some.set()
        if len(self._items) >= self._most:
            self._enough.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            await self._linger()
            await self._hand_on_next()

    async def finish(self) -> None:
        """Waits until everything was taken, for a few seconds at most. `run` must be running."""
        self._moment = 0
        self._enough.set()
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            log.warning("results.unfinished", queue=self._name, item_count=len(self._items))

    async def _linger(self) -> None:
        if self._moment == 0:
            return
        try:
            async with asyncio.timeout(self._moment):
                await self._enough.wait()
        except TimeoutError:
            return

    async def _hand_on_next(self) -> None:
        batch = self._items[: self._most]
        await self._insist(batch)
        del self._items[: len(batch)]
        if len(self._items) < self._most:
            self._enough.clear()
        if not self._items:
            self._some.clear()
            self._idle.set()

    async def _insist(self, batch: Sequence[T]) -> None:
        attempt = 0
        while True:
            try:
                return await self._hand_on(batch)
            except Exception as error:
                attempt += 1
                if not is_passing_trouble(error):
                    raise
                if attempt == 1:
                    log.warning("results.postponed", queue=self._name, item_count=len(batch), exc_info=error)
                await asyncio.sleep(next_pause(attempt))
