"""Reading a topic from its beginning to its present end, outside any group."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.runtime.kafka.records import ReceivedRecord, TopicLike, receive
from services.runtime.kafka.waiting import start_patiently
from services.runtime.kafka_access import KafkaAddress, client_arguments

POLL_MS: Final = 100

FindEnds: TypeAlias = Callable[[TopicLike], Awaitable[dict[int, int]]]


def _keep_all(_: ReceivedRecord) -> bool:
    return True


async def read_topic_to_end(
    address: KafkaAddress,
    topic: str,
    *,
    partitions: int = 1,
    keep: Callable[[ReceivedRecord], bool] = _keep_all,
) -> list[ReceivedRecord]:
    """The records to keep of those the topic holds now, in order within each partition; it must exist."""
    consumer = await start_patiently(
        lambda: AIOKafkaConsumer(
            **client_arguments(address), auto_offset_reset="earliest", enable_auto_commit=False
        ),
        AIOKafkaConsumer.stop,
    )
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        return await _read(consumer, places, keep)
    finally:
        await consumer.stop()


@asynccontextmanager
async def open_end_finder(address: KafkaAddress) -> AsyncIterator[FindEnds]:
    """Asks how far a topic goes, again and again, by partition: at least as far (see `_read`)."""
    consumer = await start_patiently(
        lambda: AIOKafkaConsumer(**client_arguments(address), enable_auto_commit=False),
        AIOKafkaConsumer.stop,
    )

    async def find(topic: TopicLike) -> dict[int, int]:
        places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return {place.partition: end for place, end in ends.items()}

    try:
        yield find
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, places: list[TopicPartition], keep: Callable[[ReceivedRecord], bool]
) -> list[ReceivedRecord]:
    consumer.assign(places)
    # At least: Tansu answers with the first offset of the last batch plus one. A fetch tells the true end.
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    records: list[ReceivedRecord] = []
    for place in places:
        # By position, not by the last record's offset: compaction leaves holes, also at the end.
        while await consumer.position(place) < max(ends[place], consumer.highwater(place) or 0):
            batches = await consumer.getmany(place, timeout_ms=POLL_MS)
            received = (receive(record) for batch in batches.values() for record in batch)
            records += [record for record in received if keep(record)]
    return records
