"""Lanes: so many attempts at once, and so few to one endpoint that a slow one delays nobody else."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

from services.notify.delivery import Outcome
from services.notify.repository.rows import Due
from services.notify.worker.lane import Lane, LaneLimit
from services.runtime.clock import Clock

Work: TypeAlias = Callable[[Due], Awaitable[Outcome | None]]

CATCH_UP_SECONDS: Final = 0.01


FindLimit: TypeAlias = Callable[[str], LaneLimit | None]


def _find_none(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many attempts run at once: in all, in a lane, and in the lanes that are named."""

    total: int
    each: int
    waiting: int
    """How many first attempts wait in memory, in all; what is beyond waits in PostgreSQL."""
    each_per_second: float | None = None
    find: FindLimit = _find_none
    """What is said of one lane; None: what holds for each."""

    def of(self, lane: str) -> LaneLimit:
        return self.find(lane) or LaneLimit(self.each, self.each_per_second)


class Dispatcher:
    """Begins attempts as room allows. What waits in memory is leased; what has lost its lease is let go."""

    def __init__(self, work: Work, *, limits: Limits, patience: timedelta, clock: Clock) -> None:
        self._work = work
        self._limits = limits
        self._patience = patience
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._hungry: deque[Lane] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False

    @property
    def running(self) -> int:
        return len(self._tasks)

    @property
    def has_waiting(self) -> bool:
        """Whether more may be due than memory has room for."""
        return any(lane.waiting for lane in self._lanes.values())

    def room(self, lane: str) -> int:
        """How many more first attempts this lane takes into memory."""
        if self._is_draining:
            return 0
        known = self._lanes.get(lane) or Lane(self._limits.of(lane))
        return max(
            0, min(known.room, self._limits.waiting - sum(each.waiting for each in self._lanes.values()))
        )

    async def catch_up(self) -> None:
        """Returns when lanes have less to begin than half of what may run at once.

        Each counts for one turn of it at most, so that one that is stuck counts for little.
        """
        most = self._limits.total // 2
        while not self._is_draining and self._count_next() > most:  # noqa: ASYNC110 -- cheaper than counting after each
            await asyncio.sleep(CATCH_UP_SECONDS)

    def _count_next(self) -> int:
        return sum(min(lane.waiting, lane.most) for lane in self._lanes.values())

    def claim_rooms(self) -> dict[str, int]:
        """How many retries each lane in use takes; those that are not named take `claim_room`."""
        if self._is_draining:
            return {}
        return {name: lane.claim_room for name, lane in self._lanes.items()}

    @property
    def claim_room(self) -> int:
        if self._is_draining:
            return 0
        return Lane(LaneLimit(self._limits.each, self._limits.each_per_second)).claim_room

    def start(self, due: Due) -> None:
        """Attempts it now, or as soon as its lane and the whole have room."""
        limit, lane = self._limits.of(due.path.lane), self._lanes.get(due.path.lane)
        if lane is None:
            lane = self._lanes[due.path.lane] = Lane(limit)
        elif lane.limit != limit:
            lane.adjust(limit)
        (lane.fresh if due.number == 1 else lane.late).append(due)
        self._advance(lane)

    def forget(self, alert_ids: Collection[UUID]) -> list[Due]:
        """Lets go of what waits for these alerts: acknowledged, or overtaken by a newer revision."""
        forgotten: list[Due] = []
        for lane in self._lanes.values():
            for queue in (lane.fresh, lane.late):
                kept: list[Due] = []
                for due in queue:
                    (forgotten if due.record.alert_id in alert_ids else kept).append(due)
                queue.clear()
                queue.extend(kept)
        return forgotten

    def close(self) -> None:
        """Begins nothing more."""
        self._is_draining = True

    async def drain(self) -> list[Due]:
        """Waits for the attempts under way and returns those that never began.

        None takes longer than its lease was to last when it began: what does is stuck, and another's by then.
        """
        self.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._patience.total_seconds())
        return self.release()

    def release(self) -> list[Due]:
        """What never began, and is let go of."""
        waiting = [due for lane in self._lanes.values() for due in (*lane.fresh, *lane.late)]
        for lane in self._lanes.values():
            lane.fresh.clear()
            lane.late.clear()
        return waiting

    def _advance(self, lane: Lane) -> None:
        while lane.is_free and not self._is_draining:
            if len(self._tasks) >= self._limits.total:
                if lane not in self._hungry:
                    self._hungry.append(lane)
                return
            if pause := lane.pause(self._clock.monotonic()):
                self._come_back(lane, pause)
                return
            due = self._take(lane)
            if due is not None:
                self._begin(lane, due)

    def _come_back(self, lane: Lane, pause: float) -> None:
        if lane.is_watched:
            return
        lane.is_watched = True
        asyncio.get_running_loop().call_later(pause, self._go_on, lane)

    def _go_on(self, lane: Lane) -> None:
        lane.is_watched = False
        self._advance(lane)

    def _take(self, lane: Lane) -> Due | None:
        """The next of the lane whose lease lasts long enough."""
        while lane.waiting and not self._is_draining:
            due = lane.take(self._clock.monotonic())
            if due.lease_until - self._clock.now() >= self._patience:
                return due
        return None

    def _begin(self, lane: Lane, due: Due) -> None:
        lane.running += 1
        task = asyncio.create_task(self._run(lane, due))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(lane, done))

    async def _run(self, lane: Lane, due: Due) -> None:
        """One attempt after the other, until another lane's turn has come or this one has no more to do."""
        more: Due | None = due
        while more is not None:
            lane.learn(await self._work(more))
            may_go_on = (
                not self._hungry and lane.running <= lane.most and not lane.pause(self._clock.monotonic())
            )
            more = self._take(lane) if may_go_on else None
            self._advance(lane)

    def _end(self, lane: Lane, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        lane.running -= 1
        # Lanes that found the whole full come before this one, each with its turn.
        for _ in range(len(self._hungry)):
            self._advance(self._hungry.popleft())
        self._advance(lane)
