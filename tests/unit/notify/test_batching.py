"""Gathering: in order, all of it, and again until it is taken."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from services.notify import logbook
from services.notify.worker.batching import Gatherer
from services.runtime.logs import capture_logs


class Shelf:
    """Takes batches, unless it is told to fail first."""

    def __init__(self, *failures: Exception) -> None:
        self.batches: list[list[int]] = []
        self._failures = list(failures)

    async def take(self, items: Sequence[int]) -> None:
        await asyncio.sleep(0)
        if self._failures:
            raise self._failures.pop(0)
        self.batches.append(list(items))


@asynccontextmanager
async def gathering(shelf: Shelf, *, most: int = 100, moment: float = 0) -> AsyncIterator[Gatherer[int]]:
    gatherer = Gatherer(shelf.take, name="numbers", most=most, moment=moment)
    running = asyncio.create_task(gatherer.run())
    try:
        yield gatherer
        await gatherer.finish()
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_what_is_added_together_is_handed_on_together_and_in_order() -> None:
    shelf = Shelf()
    async with gathering(shelf, moment=10) as gatherer:
        for number in range(7):
            gatherer.add(number)
    assert shelf.batches == [[0, 1, 2, 3, 4, 5, 6]]


async def test_a_batch_is_no_larger_than_it_may_be() -> None:
    shelf = Shelf()
    async with gathering(shelf, most=3, moment=10) as gatherer:
        for number in range(7):
            gatherer.add(number)
    assert shelf.batches == [[0, 1, 2], [3, 4, 5], [6]]


async def test_passing_trouble_neither_loses_nor_reorders() -> None:
    shelf = Shelf(ConnectionError(), TimeoutError())
    with capture_logs(logbook.CATALOGUE) as lines:
        async with gathering(shelf, most=2) as gatherer:
            for number in range(5):
                gatherer.add(number)
    assert [number for batch in shelf.batches for number in batch] == [0, 1, 2, 3, 4]
    assert [(line["event"], line["item_count"]) for line in lines] == [("results.postponed", 2)]


async def test_a_fault_of_ours_ends_it() -> None:
    gatherer = Gatherer(Shelf(ValueError("ours")).take, name="numbers", most=1, moment=0)
    gatherer.add(1)
    with pytest.raises(ValueError, match="ours"):
        await gatherer.run()


async def test_finishing_with_nothing_to_do_returns_at_once() -> None:
    async with gathering(Shelf(), moment=60) as gatherer:
        await gatherer.finish()
