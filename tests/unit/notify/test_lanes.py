"""Lanes: who goes when, and that a slow one delays nobody else."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from services.notify.delivery import Channel, Outcome, Path
from services.notify.repository.rows import Due
from services.notify.worker.lane import Lane, LaneLimit
from services.notify.worker.lanes import Dispatcher, Limits
from tests.support.waiting import SECONDS
from tests.unit.notify.records import alert_record

NOW = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
PATIENCE = timedelta(seconds=20)


class StillClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Receivers:
    """Attempts that last until they are let go, each with the outcome then given."""

    def __init__(self) -> None:
        self.begun: list[Due] = []
        self._waiting: dict[UUID, asyncio.Future[Outcome]] = {}

    async def attempt(self, due: Due) -> Outcome:
        self.begun.append(due)
        self._waiting[due.delivery_id] = asyncio.get_running_loop().create_future()
        return await self._waiting[due.delivery_id]

    async def answer(self, *lanes: str, outcome: Outcome = Outcome.DELIVERED) -> int:
        """Ends every attempt under way in these lanes; how many."""
        answered = [due for due in self.begun if due.path.lane in lanes and due.delivery_id in self._waiting]
        for due in answered:
            self._waiting.pop(due.delivery_id).set_result(outcome)
        await settle()
        return len(answered)

    @property
    def lanes(self) -> Counter[str]:
        return Counter(due.path.lane for due in self.begun)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def due(
    lane: str, *, number: int = 1, lease: timedelta = timedelta(seconds=35), alert: UUID | None = None
) -> Due:
    record = alert_record(alert_id=alert or uuid4())
    return Due(uuid4(), record, Path(Channel.WEBHOOK, lane), number, NOW + lease)


@asynccontextmanager
async def dispatching(
    receivers: Receivers,
    *,
    total: int = 100,
    each: int = 10,
    waiting: int = 10_000,
    patience: timedelta = PATIENCE,
) -> AsyncIterator[Dispatcher]:
    """A dispatcher whose attempts under way are answered at the end."""
    limits = Limits(total=total, each=each, waiting=waiting)
    dispatcher = Dispatcher(receivers.attempt, limits=limits, patience=patience, clock=StillClock())
    yield dispatcher
    dispatcher.close()
    await receivers.answer(*receivers.lanes)
    await dispatcher.drain()


async def test_a_slow_endpoint_delays_nobody_else() -> None:
    receivers = Receivers()
    async with dispatching(receivers, each=10) as dispatcher:
        for _ in range(50):
            dispatcher.start(due("slow"))
        dispatcher.start(due("quick"))
        await settle()
        assert receivers.lanes == {"slow": 10, "quick": 1}


async def test_when_the_whole_is_full_lanes_take_turns() -> None:
    receivers = Receivers()
    async with dispatching(receivers, total=4, each=4) as dispatcher:
        for _ in range(20):
            dispatcher.start(due("first"))
        dispatcher.start(due("second"))
        await settle()
        assert receivers.lanes == {"first": 4}
        await receivers.answer("first")
        assert receivers.lanes["second"] == 1


async def test_an_endpoint_in_trouble_is_asked_less_at_once_and_more_again_when_it_answers() -> None:
    receivers = Receivers()
    async with dispatching(receivers, each=16) as dispatcher:
        for _ in range(200):
            dispatcher.start(due("flaky"))
        await settle()
        assert await receivers.answer("flaky", outcome=Outcome.UNAVAILABLE) == 16
        assert await receivers.answer("flaky", outcome=Outcome.UNAVAILABLE) == 4
        assert await receivers.answer("flaky") == 4
        assert await receivers.answer("flaky") == 8
        assert await receivers.answer("flaky") == 16
        assert await receivers.answer("flaky") == 16


async def test_new_alerts_go_before_old_retries_and_do_not_starve_them() -> None:
    receivers = Receivers()
    async with dispatching(receivers, each=1) as dispatcher:
        for number in [2] * 10 + [1] * 10:
            dispatcher.start(due("one", number=number))
        await settle()
        while await receivers.answer("one"):
            pass
        # The first was alone and began at once; every fourth turn is a retry's.
        assert "".join(str(begun.number) for begun in receivers.begun) == "2112" + "1112" * 2 + "11" + "2" * 6


async def test_what_has_lost_its_lease_is_not_attempted() -> None:
    receivers = Receivers()
    async with dispatching(receivers) as dispatcher:
        dispatcher.start(due("one", lease=PATIENCE - timedelta(milliseconds=1)))
        kept = due("one", lease=PATIENCE)
        dispatcher.start(kept)
        await settle()
        assert receivers.begun == [kept]


async def test_draining_begins_nothing_and_gives_back_what_waited() -> None:
    receivers = Receivers()
    async with dispatching(receivers, each=1) as dispatcher:
        running, waiting, late = due("one"), due("one"), due("one")
        dispatcher.start(running)
        dispatcher.start(waiting)
        await settle()
        dispatcher.close()
        dispatcher.start(late)
        draining = asyncio.create_task(dispatcher.drain())
        await settle()
        assert not draining.done()
        await receivers.answer("one")
        assert await draining == [waiting, late]
        assert receivers.begun == [running]


async def test_draining_waits_no_longer_for_an_attempt_that_is_stuck_than_its_lease_lasts() -> None:
    receivers = Receivers()
    async with dispatching(receivers, each=1, patience=timedelta(seconds=0.02)) as dispatcher:
        stuck, waiting = due("one"), due("one")
        dispatcher.start(stuck)
        dispatcher.start(waiting)
        await settle()
        assert await dispatcher.drain() == [waiting]
        assert dispatcher.running == 1


async def test_what_waits_for_an_acknowledged_alert_is_forgotten() -> None:
    receivers = Receivers()
    async with dispatching(receivers, each=1) as dispatcher:
        alert = uuid4()
        dispatcher.start(due("one"))
        dispatcher.start(due("one", alert=alert))
        dispatcher.start(due("one", number=2, alert=alert))
        kept = due("one")
        dispatcher.start(kept)
        dispatcher.forget({alert})
        await settle()
        while await receivers.answer("one"):
            pass
        assert alert not in {begun.record.alert_id for begun in receivers.begun}
        assert kept in receivers.begun


async def test_a_lane_takes_only_so_much_into_memory() -> None:
    receivers = Receivers()
    async with dispatching(receivers, each=10) as dispatcher:
        assert dispatcher.room("one") == 80
        for _ in range(10 + 50):
            dispatcher.start(due("one"))
        await settle()
        assert dispatcher.room("one") == 30
        assert dispatcher.claim_rooms() == {"one": 0}
        await receivers.answer("one", outcome=Outcome.UNAVAILABLE)
        assert dispatcher.room("one") == 0
        assert dispatcher.room("two") == 80
        dispatcher.close()
        assert dispatcher.room("two") == 0


async def test_all_lanes_together_take_only_so_much_into_memory() -> None:
    receivers = Receivers()
    async with dispatching(receivers, total=1, each=10, waiting=25) as dispatcher:
        for lane in ("one", "two"):
            for _ in range(10):
                dispatcher.start(due(lane))
        await settle()
        assert dispatcher.room("three") == 25 - 19


async def test_catching_up_waits_for_lanes_that_move_and_counts_one_turn_of_each() -> None:
    receivers = Receivers()
    async with dispatching(receivers, total=20, each=10) as dispatcher:
        for _ in range(100):
            dispatcher.start(due("stuck"))
        await asyncio.wait_for(dispatcher.catch_up(), SECONDS)
        for _ in range(25):
            dispatcher.start(due("quick"))
        await settle()
        catching_up = asyncio.create_task(dispatcher.catch_up())
        await asyncio.sleep(0.05)
        assert not catching_up.done()
        await receivers.answer("quick")
        await receivers.answer("quick")
        await asyncio.wait_for(catching_up, SECONDS)
        assert receivers.lanes["stuck"] == 10


def test_who_was_not_asked_takes_nothing_of_what_the_endpoint_can_bear() -> None:
    """Else what a suspended endpoint is spared would hold up what the law orders."""
    lane = Lane(LaneLimit(4, per_second=1))
    lane.fresh.extend(due("one") for _ in range(3))
    lane.take(0.0)
    lane.take(0.0)
    assert lane.pause(0.0) == 1.0
    lane.learn(None)
    assert (lane.pause(0.0), lane.most) == (0.0, 4)
    lane.take(0.0)
    lane.learn(Outcome.UNAVAILABLE)
    assert lane.pause(0.0) == 1.0
