"""What becomes of a batch: committed, read again, or the end of the process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from faststream.kafka import KafkaMessage

from services.runtime.database import is_transient as is_database_trouble
from services.runtime.kafka.records import PublishError, ReceivedRecord, receive
from services.runtime.kafka.waiting import KAFKA_ERRORS
from services.runtime.lifecycle import Lifetime
from services.runtime.logs import get_logger

log = get_logger()

BatchHandler: TypeAlias = Callable[[Sequence[ReceivedRecord]], Awaitable[None]]

COMMIT_SECONDS: Final = 2.0
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0


def is_passing_trouble(error: BaseException) -> bool:
    """Whether a batch that met this error is worth reading again."""
    return isinstance(error, (PublishError, *KAFKA_ERRORS)) or is_database_trouble(error)


def next_pause(attempt: int) -> float:
    """Seconds before the batch is read again: doubling, never more than a second."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10))


class Fetching(Protocol):
    """What an AIOKafkaConsumer lets us say of its fetching."""

    def assignment(self) -> AbstractSet[TopicPartition]: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...


class BatchFate:
    """Calls the handler and settles the batch: committed, read again, or the end of the process."""

    def __init__(
        self,
        handler: BatchHandler,
        *,
        find_consumer: Callable[[], Fetching],
        group: str | None,
        lifetime: Lifetime,
    ) -> None:
        self._handler = handler
        self._find_consumer = find_consumer
        self._group = group
        self._lifetime = lifetime
        self._attempt = 0
        self._has_given_up = False

    async def consume(self, message: KafkaMessage) -> None:
        if self._has_given_up:
            # The process is about to end: a later batch must not be committed over the one that failed.
            return
        records = [receive(record) for record in message.raw_message]
        try:
            with _nothing_fetched(self._find_consumer()):
                await self._handler(records)
        except Exception as error:  # noqa: BLE001 -- the edge of the consuming loop: every error decides a fate
            if is_passing_trouble(error):
                await self._postpone(message, records, error)
            else:
                self._give_up(records, error)
        else:
            self._attempt = 0
            await self._commit(message, records)
            # FastStream's message is part of a cycle, which keeps its records until the collector comes by.
            message.raw_message = ()

    async def _commit(self, message: KafkaMessage, records: Sequence[ReceivedRecord]) -> None:
        if self._group is None:
            return
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await message.ack()
        except (IllegalStateError, *KAFKA_ERRORS) as error:
            log.warning("batch.not_committed", **self._facts(records), exc_info=error)

    async def _postpone(
        self, message: KafkaMessage, records: Sequence[ReceivedRecord], error: Exception
    ) -> None:
        self._attempt += 1
        pause = next_pause(self._attempt)
        log.warning(
            "batch.postponed",
            **self._facts(records),
            attempt=self._attempt,
            pause_ms=int(pause * 1000),
            exc_info=error,
        )
        await asyncio.sleep(pause)
        try:
            await message.nack()
        except IllegalStateError:
            # The partition went to another member meanwhile, who starts from the last commit.
            return

    def _give_up(self, records: Sequence[ReceivedRecord], error: Exception) -> None:
        self._has_given_up = True
        log.error("batch.failed", **self._facts(records), exc_info=error)
        self._lifetime.fail(error)

    def _facts(self, records: Sequence[ReceivedRecord]) -> Mapping[str, Any]:
        return {"topic": records[0].topic, "group": self._group, "record_count": len(records)}


@contextmanager
def _nothing_fetched(consumer: Fetching) -> Iterator[None]:
    """Within the block the consumer does not ask for more.

    What it asked for at the beginning of a batch would be old at its end, and whatever came meanwhile would
    wait for the end of the next one: it is asked for when it can be handled.
    """
    paused = consumer.assignment()
    consumer.pause(*paused)
    try:
        yield
    finally:
        # A partition that went to another member meanwhile is not ours to resume.
        consumer.resume(*(paused & consumer.assignment()))
