"""Reading a topic on and on, by one consumer: to open one for each look costs more than the look."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import Topic
from services.runtime.kafka.records import ReceivedRecord, receive

_WAIT_MS = 50
"""The embedded broker looks whether something came at half of what it may wait."""


@asynccontextmanager
async def open_follower(
    bootstrap: str, topic: Topic
) -> AsyncIterator[Callable[[], Awaitable[list[ReceivedRecord]]]]:
    """Gives what reads on to the end of the topic, the first time from its beginning."""
    places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=_WAIT_MS,
    )
    await consumer.start()

    async def read_on() -> list[ReceivedRecord]:
        records = await _take(consumer, *places)
        # At least so far: the embedded broker does not count all of the last batch. A fetch tells the rest.
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        for place in places:
            while await consumer.position(place) < max(ends[place], consumer.highwater(place) or 0):
                records += await _take(consumer, place)
        return records

    try:
        consumer.assign(places)
        yield read_on
    finally:
        await consumer.stop()


async def _take(consumer: AIOKafkaConsumer, *places: TopicPartition) -> list[ReceivedRecord]:
    batches = await consumer.getmany(*places, timeout_ms=_WAIT_MS)
    return [receive(record) for batch in batches.values() for record in batch]
