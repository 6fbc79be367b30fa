"""From records to the batches a producer sends: one for each partition, or several if one is too large."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from services.runtime.kafka.records import Record

MAX_RECORD_BYTES: Final = 1_000_000
"""Of key, value and headers: what brokers take by default, less what a batch adds."""

KEYS_REMEMBERED: Final = 4096

FindPartition: TypeAlias = Callable[[bytes, int], int]
"""From a record's key and its topic's number of partitions."""

_PARTITION_OF: Final = DefaultPartitioner()


class RecordTooLargeError(Exception):
    """A record is larger than a request may be: it can never be published."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition, and where each of them stood among those to publish."""

    topic: str
    partition: int
    builder: BatchBuilder
    indices: list[int] = field(default_factory=list)


async def build_batches(
    producer: AIOKafkaProducer, records: Sequence[Record], *, find_partition: FindPartition
) -> list[Batch]:
    """Batches that keep the order of the records of each partition.

    Raises RecordTooLargeError, and one of KAFKA_ERRORS when a topic's partitions cannot be learnt.
    """
    partitions = await find_partitions(producer, records, find_partition=find_partition)
    open_batches: dict[tuple[str, int], Batch] = {}
    batches: list[Batch] = []
    for index, (record, partition) in enumerate(zip(records, partitions, strict=True)):
        _check_size(record)
        place = record.topic, partition
        batch = open_batches.get(place)
        if batch is None or not _append(batch, record, index):
            batch = open_batches[place] = Batch(*place, producer.create_batch())
            batches.append(batch)
            _append(batch, record, index)
    for batch in batches:
        batch.builder.close()
    return batches


async def find_partitions(
    producer: AIOKafkaProducer, records: Sequence[Record], *, find_partition: FindPartition
) -> list[int]:
    """The partition of each record. Raises one of KAFKA_ERRORS when a topic's partitions cannot be learnt."""
    counts = {
        topic: len(await producer.partitions_for(topic)) for topic in {record.topic for record in records}
    }
    return [find_partition(record.key, counts[record.topic]) for record in records]


def _append(batch: Batch, record: Record, index: int) -> bool:
    """Whether it had room; an empty batch always has."""
    appended = batch.builder.append(
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    if appended is None:
        return False
    batch.indices.append(index)
    return True


@lru_cache(maxsize=KEYS_REMEMBERED)
def spread(key: bytes, count: int) -> int:
    """As every Kafka client has it, so that a key stays in its partition whoever publishes it.

    Remembered, since the hash is computed in Python and most keys come several times in a row.
    """
    number: int = _PARTITION_OF(key, range(count), ())
    return number


def gather(_key: bytes, _count: int) -> int:
    """Everything in one, where nobody shares the work: a sixth of the batches, and each costs."""
    return 0


def _check_size(record: Record) -> None:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    if len(record.key) + len(record.value) + headers > MAX_RECORD_BYTES:
        raise RecordTooLargeError
