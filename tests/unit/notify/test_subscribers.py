"""Resting between batches: under load only, longer while attempts lag behind, and never for long."""

import asyncio
from collections.abc import Sequence

from services.notify import subscribers
from services.notify.subscribers import resting
from services.runtime.kafka import ReceivedRecord
from tests.support.waiting import SECONDS

RECORD = ReceivedRecord("tocsin.alerts", 0, 0, None, None)


class Dispatcher:
    """Has caught up once it is told so."""

    def __init__(self) -> None:
        self.has_caught_up = asyncio.Event()
        self.asked_count = 0

    async def catch_up(self) -> None:
        self.asked_count += 1
        await self.has_caught_up.wait()


async def take(records: Sequence[ReceivedRecord]) -> None:
    await asyncio.sleep(0)


async def seconds_for(count: int, dispatcher: Dispatcher) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await resting(take, catch_up=dispatcher.catch_up)([RECORD] * count)
    return loop.time() - began


async def test_what_comes_alone_waits_for_nothing() -> None:
    dispatcher = Dispatcher()
    await seconds_for(subscribers.BUSY_FROM - 1, dispatcher)
    assert dispatcher.asked_count == 0


async def test_a_busy_consumer_rests_so_that_the_next_batch_carries_more() -> None:
    dispatcher = Dispatcher()
    dispatcher.has_caught_up.set()
    assert await seconds_for(subscribers.BUSY_FROM, dispatcher) >= subscribers.REST_SECONDS


async def test_under_heavy_load_it_rests_longer() -> None:
    dispatcher = Dispatcher()
    dispatcher.has_caught_up.set()
    assert await seconds_for(subscribers.HEAVY_FROM, dispatcher) >= subscribers.HEAVY_REST_SECONDS


async def test_a_receiver_that_takes_its_time_holds_nobody_up_for_long() -> None:
    dispatcher = Dispatcher()
    async with asyncio.timeout(SECONDS):
        assert await seconds_for(100, dispatcher) >= subscribers.LONGEST_REST_SECONDS * 0.9
    assert dispatcher.asked_count == 1
