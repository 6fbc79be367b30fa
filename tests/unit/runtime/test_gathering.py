"""Publishing together: who came first goes first, and trouble is theirs whose records met it."""

import asyncio
from collections.abc import Sequence

import pytest

from services.runtime.kafka import GatheringPublisher, ProducerDeadError, PublishError, Record
from services.runtime.kafka.publisher import Place

LONG = 30.0


class Topic:
    """Stores records in lists, one batch a call; a key it is told to fail is never confirmed."""

    def __init__(self, *, failing: bytes = b"", fault: Exception | None = None) -> None:
        self.batches: list[list[bytes]] = []
        self.open = asyncio.Event()
        self.open.set()
        self._failing = failing
        self._fault = fault
        self._count = 0

    async def find_partitions(self, records: Sequence[Record]) -> list[int]:
        return [int(record.key == b"case-2") for record in records]

    async def publish_each(self, records: Sequence[Record]) -> list[Place | PublishError]:
        self.batches.append([record.value for record in records])
        if self._fault is not None:
            raise self._fault
        await self.open.wait()
        return [self._store(record) for record in records]

    def _store(self, record: Record) -> Place | PublishError:
        if record.key == self._failing:
            return PublishError("TimeoutError")
        self._count += 1
        return (0, self._count - 1)


def record(value: str, *, key: str = "case-1") -> Record:
    return Record("topic", key.encode(), value.encode())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_alone_is_published_at_once() -> None:
    topic = Topic()
    publisher = GatheringPublisher(topic, pace_seconds=LONG)
    assert await publisher.publish([record("a"), record("b")]) == [(0, 0), (0, 1)]


async def test_what_comes_at_the_same_time_goes_together_in_its_order() -> None:
    topic = Topic()
    publisher = GatheringPublisher(topic, pace_seconds=LONG)
    places = await asyncio.gather(*(publisher.publish([record(str(number))]) for number in range(5)))
    assert topic.batches == [[b"0", b"1", b"2", b"3", b"4"]]
    assert places == [[(0, number)] for number in range(5)]


async def test_what_comes_after_a_batch_waits_for_its_pace_and_keeps_its_order() -> None:
    topic = Topic()
    publisher = GatheringPublisher(topic, pace_seconds=0.05)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await publisher.publish([record("first")])
    await asyncio.gather(publisher.publish([record("second")]), publisher.publish([record("third")]))
    assert loop.time() - began >= 0.05
    assert topic.batches == [[b"first"], [b"second", b"third"]]


async def test_a_partition_that_is_held_up_does_not_hold_up_another_and_gathers_meanwhile() -> None:
    topic = Topic()
    publisher = GatheringPublisher(topic, pace_seconds=0)
    topic.open.clear()
    first = asyncio.create_task(publisher.publish([record("first")]))
    await settle()
    gate, topic.open = topic.open, asyncio.Event()
    topic.open.set()
    behind = [asyncio.create_task(publisher.publish([record(str(number))])) for number in range(3)]
    assert await publisher.publish([record("free", key="case-2")]) == [(0, 0)]
    assert not first.done()
    gate.set()
    assert await asyncio.gather(first, *behind) == [[(0, 1)], [(0, 2)], [(0, 3)], [(0, 4)]]
    assert topic.batches == [[b"first"], [b"free"], [b"0", b"1", b"2"]]


async def test_a_partition_in_trouble_fails_only_who_has_records_in_it() -> None:
    publisher = GatheringPublisher(Topic(failing=b"case-2"), pace_seconds=0)
    outcomes = await asyncio.gather(
        publisher.publish([record("a")]),
        publisher.publish([record("b"), record("c", key="case-2")]),
        publisher.publish([record("d")]),
        return_exceptions=True,
    )
    assert outcomes[0] == [(0, 0)]
    assert isinstance(outcomes[1], PublishError)
    assert outcomes[2] == [(0, 2)]
    assert await publisher.publish([record("e")]) == [(0, 3)]


async def test_what_waits_behind_a_batch_that_failed_fails_with_it() -> None:
    topic = Topic(failing=b"case-2")
    publisher = GatheringPublisher(topic, pace_seconds=0)
    topic.open.clear()
    first = asyncio.create_task(publisher.publish([record("first", key="case-2")]))
    await settle()
    behind = asyncio.create_task(publisher.publish([record("behind", key="case-2")]))
    await settle()
    topic.open.set()
    outcomes = await asyncio.gather(first, behind, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [PublishError, PublishError]
    assert topic.batches == [[b"first"]]


@pytest.mark.parametrize("fault", [ProducerDeadError(), ValueError()])
async def test_a_fault_is_told_to_all_who_wait_and_the_next_go_on(fault: Exception) -> None:
    publisher = GatheringPublisher(Topic(fault=fault), pace_seconds=0)
    for _ in range(2):
        outcomes = await asyncio.gather(
            publisher.publish([record("a")]), publisher.publish([record("b")]), return_exceptions=True
        )
        assert list(outcomes) == [fault, fault]


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    topic = Topic()
    publisher = GatheringPublisher(topic, pace_seconds=0)
    topic.open.clear()
    leaving = asyncio.create_task(publisher.publish([record("a")]))
    staying = asyncio.create_task(publisher.publish([record("b")]))
    await settle()
    leaving.cancel()
    await settle()
    topic.open.set()
    assert await staying == [(0, 1)]
