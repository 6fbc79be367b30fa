"""Publishing with every acknowledgement awaited."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer

from services.runtime.faults import error_type
from services.runtime.kafka.batches import (
    Batch,
    FindPartition,
    build_batches,
    find_partitions,
    gather,
    spread,
)
from services.runtime.kafka.records import PublishError, Record
from services.runtime.kafka.waiting import KAFKA_ERRORS, start_patiently
from services.runtime.kafka_access import client_arguments
from services.runtime.settings import KafkaSettings, Membership

ACK_SECONDS: Final = 5.0
BATCH_BYTES: Final = 128 * 1024

Place: TypeAlias = tuple[int, int]
"""Partition and offset."""


def next_offsets(places: Iterable[Place]) -> dict[int, int]:
    """By partition, what a reader has committed once it has read all of these."""
    ends: dict[int, int] = {}
    for partition, offset in places:
        ends[partition] = max(offset + 1, ends.get(partition, 0))
    return ends


class ProducerDeadError(Exception):
    """The producer will never send again: the process must be started anew."""


class Publisher:
    """Publishes lists of records; done when every in-sync replica has every one of them.

    What one call publishes in one partition goes out as one batch: a future, a timer and a look at the
    cluster for each record cost more than the record.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        *,
        ack_seconds: float = ACK_SECONDS,
        find_partition: FindPartition = spread,
    ) -> None:
        self._producer = producer
        self._ack_seconds = ack_seconds
        self._find_partition = find_partition

    async def publish(self, records: Sequence[Record]) -> list[Place]:
        """Partition and offset of each record, in order.

        Raises PublishError (transient; some may be stored), RecordTooLargeError and ProducerDeadError.
        """
        places: list[Place] = []
        for outcome in await self.publish_each(records):
            if isinstance(outcome, PublishError):
                raise outcome
            places.append(outcome)
        return places

    async def find_partitions(self, records: Sequence[Record]) -> list[int]:
        """Where each record will go. Raises PublishError if that cannot be learnt."""
        try:
            async with asyncio.timeout(self._ack_seconds):
                return await find_partitions(self._producer, records, find_partition=self._find_partition)
        except KAFKA_ERRORS as error:
            raise self._failed(error) from error

    async def publish_each(self, records: Sequence[Record]) -> list[Place | PublishError]:
        """What became of each record, in order: where it is, or that nobody knows whether it is stored.

        Two calls keep their order within a partition; a partition in trouble does not hold up another.
        Raises RecordTooLargeError and ProducerDeadError.
        """
        deadline = asyncio.get_running_loop().time() + self._ack_seconds
        try:
            async with asyncio.timeout_at(deadline):
                batches = await build_batches(self._producer, records, find_partition=self._find_partition)
        except KAFKA_ERRORS as error:
            return [self._failed(error)] * len(records)
        if len(batches) == 1:
            offsets = [await self._send(batches[0], deadline=deadline)]
        else:
            offsets = await asyncio.gather(*(self._send(batch, deadline=deadline) for batch in batches))
        outcomes: dict[int, Place | PublishError] = {}
        for batch, offset in zip(batches, offsets, strict=True):
            outcomes.update(zip(batch.indices, _place_all(batch, offset), strict=True))
        return [outcomes[index] for index in range(len(records))]

    async def _send(self, batch: Batch, *, deadline: float) -> int | PublishError:
        """The offset of its first record."""
        try:
            async with asyncio.timeout_at(deadline):
                stored = await self._producer.send_batch(
                    batch.builder, batch.topic, partition=batch.partition
                )
                return int((await stored).offset)
        except KAFKA_ERRORS as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> PublishError:
        # aiokafka's sender ends for good on what it cannot handle (a fenced producer, its own bugs).
        sender = self._producer._sender.sender_task  # noqa: SLF001 -- nothing public tells
        if sender is not None and sender.done():
            raise ProducerDeadError
        failed = PublishError(error_type(error))
        failed.__cause__ = error
        return failed


def _place_all(batch: Batch, offset: int | PublishError) -> list[Place | PublishError]:
    if isinstance(offset, PublishError):
        return [offset] * len(batch.indices)
    return [(batch.partition, offset + count) for count in range(len(batch.indices))]


@asynccontextmanager
async def open_publisher(
    settings: KafkaSettings, *, ack_seconds: float = ACK_SECONDS
) -> AsyncIterator[Publisher]:
    async with open_producer(settings, ack_seconds=ack_seconds) as producer:
        find_partition = gather if settings.membership is Membership.SOLE else spread
        yield Publisher(producer, ack_seconds=ack_seconds, find_partition=find_partition)


@asynccontextmanager
async def open_producer(
    settings: KafkaSettings, *, ack_seconds: float = ACK_SECONDS
) -> AsyncIterator[AIOKafkaProducer]:
    """An aiokafka producer with acks=all; waits for the broker, and for what was sent when it closes."""

    def build() -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **client_arguments(settings),
            client_id=settings.member,
            acks="all",
            enable_idempotence=settings.idempotence,
            max_batch_size=BATCH_BYTES,
            # Also how long an unsent batch is kept: what nobody waits for any more must not be sent later.
            request_timeout_ms=int(ack_seconds * 1000),
        )

    producer = await start_patiently(build, AIOKafkaProducer.stop)
    try:
        yield producer
    finally:
        await producer.stop()
