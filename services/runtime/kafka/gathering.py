"""Publishing together what many callers publish at the same time."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from services.runtime.kafka.publisher import Place
from services.runtime.kafka.records import PublishError, Record

PACE_SECONDS: Final = 0.01

LaneKey: TypeAlias = tuple[str, int]
"""Topic and partition."""


class EachPublisher(Protocol):
    """What the gathered records are handed to: a Publisher."""

    async def find_partitions(self, records: Sequence[Record]) -> list[int]: ...
    async def publish_each(self, records: Sequence[Record]) -> list[Place | PublishError]: ...


@dataclass(slots=True)
class _Wish:
    """What one caller waits for: a place for each of its records."""

    done: "asyncio.Future[list[Place]]"
    missing: int
    places: dict[int, Place] = field(default_factory=dict)

    def answer(self, index: int, place: Place) -> None:
        self.places[index] = place
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result([self.places[number] for number in range(len(self.places))])

    def refuse(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


Item: TypeAlias = tuple[_Wish, int, Record]


@dataclass(slots=True)
class _Lane:
    """One partition: a batch on its way, and what goes into the next."""

    waiting: list[Item] = field(default_factory=list)
    is_busy: bool = False


class GatheringPublisher:
    """One batch of each partition at a time, all of them every 10 ms: load makes batches larger, not more.

    Who comes alone is published at once. A partition in trouble holds up its own records only, and what waits
    behind a batch that failed fails with it, so that nobody waits for two. Records of a key keep their order.
    """

    def __init__(self, publisher: EachPublisher, *, pace_seconds: float = PACE_SECONDS) -> None:
        self._publisher = publisher
        self._pace_seconds = pace_seconds
        self._lanes: defaultdict[LaneKey, _Lane] = defaultdict(_Lane)
        self._next_at = 0.0
        self._departure: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def publish(self, records: Sequence[Record]) -> list[Place]:
        """Partition and offset of each record, in order. Raises what ``Publisher.publish`` does."""
        if not records:
            return []
        partitions = await self._publisher.find_partitions(records)
        wish = _Wish(asyncio.get_running_loop().create_future(), len(records))
        for index, (record, partition) in enumerate(zip(records, partitions, strict=True)):
            self._lanes[record.topic, partition].waiting.append((wish, index, record))
        self._schedule()
        return await wish.done

    def _schedule(self) -> None:
        if self._departure is None:
            loop = asyncio.get_running_loop()
            self._departure = loop.call_at(max(self._next_at, loop.time()), self._depart)

    def _depart(self) -> None:
        loop = asyncio.get_running_loop()
        self._departure = None
        self._next_at = loop.time() + self._pace_seconds
        for lane in self._lanes.values():
            if lane.waiting and not lane.is_busy:
                lane.is_busy = True
                items, lane.waiting = lane.waiting, []
                task = loop.create_task(self._send(lane, items))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    async def _send(self, lane: _Lane, items: Sequence[Item]) -> None:
        outcomes: Sequence[Place | Exception]
        try:
            outcomes = await self._publisher.publish_each([record for _, _, record in items])
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is theirs who wait
            outcomes = [error] * len(items)
        finally:
            lane.is_busy = False
        for (wish, index, _), outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Exception):
                wish.refuse(outcome)
            else:
                wish.answer(index, outcome)
        if isinstance(outcomes[-1], Exception):
            behind, lane.waiting = lane.waiting, []
            for wish, _, _ in behind:
                wish.refuse(outcomes[-1])
        elif lane.waiting:
            self._schedule()
