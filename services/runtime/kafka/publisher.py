"""Publishing with every acknowledgement awaited."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from services.runtime.faults import error_type
from services.runtime.kafka.records import PublishError, Record
from services.runtime.kafka.waiting import KAFKA_ERRORS, start_patiently
from services.runtime.kafka_access import client_arguments
from services.runtime.settings import KafkaSettings

ACK_SECONDS: Final = 5.0
LINGER_MS: Final = 2
BATCH_BYTES: Final = 128 * 1024


class ProducerDeadError(Exception):
    """The producer will never send again: the process must be started anew."""


class RecordTooLargeError(Exception):
    """A record is larger than a request may be: it can never be published."""


class Publisher:
    """Publishes lists of records; done when every in-sync replica has every one of them."""

    def __init__(self, producer: AIOKafkaProducer, *, ack_seconds: float = ACK_SECONDS) -> None:
        self._producer = producer
        self._ack_seconds = ack_seconds

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        """Partition and offset of each record, in order.

        Raises PublishError (transient; some may be stored), RecordTooLargeError and ProducerDeadError.
        """
        pending: list[asyncio.Future[RecordMetadata]] = []
        try:
            async with asyncio.timeout(self._ack_seconds):
                for record in records:
                    pending.append(await self._send(record))  # noqa: PERF401 -- keeps what was sent before a failure
                stored = await asyncio.gather(*pending)
        except MessageSizeTooLargeError as error:
            raise RecordTooLargeError from error
        except KAFKA_ERRORS as error:
            self._check_alive()
            raise PublishError(error_type(error)) from error
        finally:
            for future in pending:
                future.cancel()
        return [(ack.partition, ack.offset) for ack in stored]

    def _check_alive(self) -> None:
        # aiokafka's sender ends for good on what it cannot handle (a fenced producer, its own bugs).
        sender = self._producer._sender.sender_task  # noqa: SLF001 -- nothing public tells
        if sender is not None and sender.done():
            raise ProducerDeadError

    async def _send(self, record: Record) -> "asyncio.Future[RecordMetadata]":
        future: asyncio.Future[RecordMetadata] = await self._producer.send(
            record.topic, value=record.value, key=record.key, headers=list(record.headers)
        )
        return future


@asynccontextmanager
async def open_publisher(
    settings: KafkaSettings, *, ack_seconds: float = ACK_SECONDS
) -> AsyncIterator[Publisher]:
    async with open_producer(settings, ack_seconds=ack_seconds) as producer:
        yield Publisher(producer, ack_seconds=ack_seconds)


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
            linger_ms=LINGER_MS,
            max_batch_size=BATCH_BYTES,
            # Also how long an unsent batch is kept: what nobody waits for any more must not be sent later.
            request_timeout_ms=int(ack_seconds * 1000),
        )

    producer = await start_patiently(build, AIOKafkaProducer.stop)
    try:
        yield producer
    finally:
        await producer.stop()
