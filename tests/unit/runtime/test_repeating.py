"""Work that is done again and again."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from services.runtime.repeating import repeat_for_ever, take_pages


async def test_passing_trouble_is_told_and_the_work_done_again() -> None:
    turns, told, enough = 0, list[Exception](), asyncio.Event()

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise KafkaConnectionError
        enough.set()

    repeating = asyncio.create_task(repeat_for_ever(work, seconds=0, on_trouble=told.append))
    await enough.wait()
    repeating.cancel()
    assert [type(error) for error in told] == [KafkaConnectionError]


async def test_a_fault_of_ours_ends_it() -> None:
    told = list[Exception]()

    async def work() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await repeat_for_ever(work, seconds=0, on_trouble=told.append)
    assert told == []


async def test_pages_are_taken_until_one_is_not_full() -> None:
    pages = [3, 3, 2, 3]

    async def take() -> int:
        return pages.pop(0)

    await take_pages(take, full=3)
    assert pages == [3]
