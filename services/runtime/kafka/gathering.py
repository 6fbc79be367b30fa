"""Publishing together what many callers publish at the same time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.runtime.kafka.publisher import Place
from services.runtime.kafka.records import PublishError, Record

PACE_SECONDS: Final = 0.01


class EachPublisher(Protocol):
    """What the gathered records are handed to: a Publisher."""

    async def publish_each(self, records: Sequence[Record]) -> list[Place | PublishError]: ...


@dataclass(frozen=True, slots=True)
class _Wish:
    records: Sequence[Record]
    places: "asyncio.Future[list[Place]]"


class GatheringPublisher:
    """Publishes at most once in ten milliseconds: load makes batches larger, not more.

    Who comes alone is published at once. Batches do not wait for the one before, so that a partition in
    trouble holds up its own records only; those of one key keep the order in which they came.
    """

    def __init__(self, publisher: EachPublisher, *, pace_seconds: float = PACE_SECONDS) -> None:
        self._publisher = publisher
        self._pace_seconds = pace_seconds
        self._waiting: list[_Wish] = []
        self._next_at = 0.0
        self._publishing: set[asyncio.Task[None]] = set()

    async def publish(self, records: Sequence[Record]) -> list[Place]:
        """Partition and offset of each record, in order. Raises what ``Publisher.publish`` does."""
        loop = asyncio.get_running_loop()
        wish = _Wish(records, loop.create_future())
        self._waiting.append(wish)
        if len(self._waiting) == 1:
            loop.call_at(max(self._next_at, loop.time()), self._start)
        return await wish.places

    def _start(self) -> None:
        wishes, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()
        self._next_at = loop.time() + self._pace_seconds
        task = loop.create_task(self._publish(wishes))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, wishes: Sequence[_Wish]) -> None:
        try:
            outcomes = await self._publisher.publish_each(
                [record for wish in wishes for record in wish.records]
            )
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is theirs who wait
            for wish in wishes:
                _refuse(wish, error)
            return
        told = iter(outcomes)
        for wish in wishes:
            _answer(wish, [next(told) for _ in wish.records])


def _answer(wish: _Wish, outcomes: Sequence[Place | PublishError]) -> None:
    places: list[Place] = []
    for outcome in outcomes:
        if isinstance(outcome, PublishError):
            _refuse(wish, outcome)
            return
        places.append(outcome)
    if not wish.places.done():
        wish.places.set_result(places)


def _refuse(wish: _Wish, error: Exception) -> None:
    # Who went away meanwhile is told nothing.
    if not wish.places.done():
        wish.places.set_exception(error)
