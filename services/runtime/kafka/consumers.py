"""Consuming in batches of raw records: FastStream's subscriber, with our own rule of what becomes of a batch.

A batch that was handled is committed; one that met passing trouble is read again after a pause; any other
error is a fault of ours and ends the process, with nothing of the batch committed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from aiokafka import ConsumerRebalanceListener
from aiokafka import TopicPartition as Place
from aiokafka.errors import IllegalStateError
from faststream.exceptions import StopConsume
from faststream.kafka import KafkaBroker, KafkaMessage, Topic, TopicPartition
from faststream.kafka.message import ConsumerProtocol, KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.middlewares import AckPolicy

from services.runtime.database import is_transient as is_database_trouble
from services.runtime.health import JsonFact, NotReadyError
from services.runtime.kafka.records import PublishError, ReceivedRecord, TopicLike, receive
from services.runtime.kafka.waiting import KAFKA_ERRORS
from services.runtime.lifecycle import Lifetime
from services.runtime.logs import get_logger
from services.runtime.settings import KafkaSettings, Membership

log = get_logger()

BatchHandler: TypeAlias = Callable[[Sequence[ReceivedRecord]], Awaitable[None]]

SESSION_MS: Final = 6000
HEARTBEAT_MS: Final = 2000
# After an empty poll FastStream sleeps this long once more, so it is kept short.
BATCH_TIMEOUT_MS: Final = 10
MAX_RECORDS: Final = 500
GRACEFUL_SECONDS: Final = 10.0
COMMIT_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0


def is_passing_trouble(error: BaseException) -> bool:
    """Whether a batch that met this error is worth reading again."""
    return isinstance(error, (PublishError, *KAFKA_ERRORS)) or is_database_trouble(error)


def next_pause(attempt: int) -> float:
    """Seconds before the batch is read again: doubling, never more than a second."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10))


def build_broker(settings: KafkaSettings, *, graceful_seconds: float = GRACEFUL_SECONDS) -> KafkaBroker:
    """A FastStream broker that only consumes; what it publishes goes through a Publisher."""
    logger = logging.getLogger("faststream")
    logger.setLevel(logging.ERROR)
    return KafkaBroker(
        settings.bootstrap.split(","),
        client_id=settings.member,
        consumer_only=True,
        apply_types=False,
        logger=logger,
        graceful_timeout=graceful_seconds,
    )


class PartitionsReady(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Knows whether a consumer has its partitions and a position in each."""

    def __init__(self, *, group: str | None, membership: Membership) -> None:
        self._group = group
        self._subscriber: BatchSubscriber | None = None
        # A manual assignment is there from the start; a group's comes with the first rebalance.
        self._is_assigned = membership is Membership.SOLE or group is None

    def watch(self, subscriber: BatchSubscriber) -> None:
        self._subscriber = subscriber

    async def on_partitions_assigned(self, assigned: set[Place]) -> None:
        self._is_assigned = True
        log.info("consumer.partitions_assigned", group=self._group, partitions=_names(assigned))

    async def on_partitions_revoked(self, revoked: set[Place]) -> None:  # noqa: ARG002 -- aiokafka's signature
        self._is_assigned = False

    @property
    def partitions(self) -> set[Place]:
        consumer = None if self._subscriber is None else self._subscriber.consumer
        return set() if consumer is None else set(consumer.assignment())

    async def check(self) -> None:
        """For readiness: raises NotReadyError until the consumer would read what is published now."""
        consumer = None if self._subscriber is None else self._subscriber.consumer
        if consumer is None:
            raise NotReadyError("not started")
        if not self._is_assigned:
            raise NotReadyError("no partitions yet")
        for place in consumer.assignment():
            await consumer.position(place)

    def describe(self) -> JsonFact:
        """For /readyz: which partitions this consumer has."""
        return {"group": self._group, "partitions": _names(self.partitions)}


def subscriber_options(
    settings: KafkaSettings,
    *,
    group: str | None,
    topics: Sequence[TopicLike],
    max_records: int = MAX_RECORDS,
) -> dict[str, Any]:
    """Keyword arguments of ``KafkaBroker.subscriber``: batches, manual acks, earliest, 6 s session.

    In a group the topics go in as positional arguments (``topic_arguments``); else every partition of them is
    assigned here.
    """
    options: dict[str, Any] = {
        "batch": True,
        "batch_timeout_ms": BATCH_TIMEOUT_MS,
        "max_records": max_records,
        "group_id": group,
        "auto_offset_reset": "earliest",
        "ack_policy": AckPolicy.MANUAL,
        "no_reply": True,
    }
    if _assigns_by_hand(settings, group):
        return {
            **options,
            "partitions": [
                TopicPartition(topic.name, number, declare=False)
                for topic in topics
                for number in range(topic.partitions)
            ],
        }
    return {
        **options,
        "group_instance_id": settings.member,
        "session_timeout_ms": SESSION_MS,
        "heartbeat_interval_ms": HEARTBEAT_MS,
    }


def topic_arguments(
    settings: KafkaSettings, *, group: str | None, topics: Sequence[TopicLike]
) -> list[Topic]:
    """The positional arguments of ``KafkaBroker.subscriber`` that go with ``subscriber_options``."""
    if _assigns_by_hand(settings, group):
        return []
    return [Topic(topic.name, declare=False) for topic in topics]


def subscribe(
    broker: KafkaBroker,
    settings: KafkaSettings,
    handler: BatchHandler,
    *,
    group: str | None,
    topics: Sequence[TopicLike],
    lifetime: Lifetime,
    max_records: int = MAX_RECORDS,
) -> PartitionsReady:
    """Has the handler called with each batch once the broker is started.

    One subscription per group and process (a second one would be the same static member). Without a group
    every record is read from the beginning at each start and nothing is committed.
    """
    ready = PartitionsReady(group=group, membership=settings.membership)
    subscriber = broker.subscriber(
        *topic_arguments(settings, group=group, topics=topics),
        **subscriber_options(settings, group=group, topics=topics, max_records=max_records),
        listener=ready,
    )
    ready.watch(subscriber)
    fate = _BatchFate(handler, group=group, lifetime=lifetime)
    subscriber(fate.consume, parser=_RawParser(subscriber).parse, decoder=_leave_raw)
    return ready


class _RawParser:
    """Wraps a batch as it came.

    FastStream's own parser decodes every header; one that is not UTF-8 would lose the batch it is in.
    """

    def __init__(self, subscriber: BatchSubscriber) -> None:
        self._subscriber = subscriber

    async def parse(self, records: tuple[Any, ...]) -> KafkaMessage:
        # Typed as optional because it is None until the start; a batch comes only afterwards.
        consumer = cast("ConsumerProtocol", self._subscriber.consumer)
        return KafkaAckableMessage(raw_message=records, body=b"", correlation_id="-", consumer=consumer)


async def _leave_raw(message: KafkaMessage) -> KafkaMessage:
    return message


class _BatchFate:
    """Calls the handler and settles the batch: committed, read again, or the end of the process."""

    def __init__(self, handler: BatchHandler, *, group: str | None, lifetime: Lifetime) -> None:
        self._handler = handler
        self._group = group
        self._lifetime = lifetime
        self._attempt = 0

    async def consume(self, message: KafkaMessage) -> None:
        records = [receive(record) for record in message.raw_message]
        try:
            await self._handler(records)
        except Exception as error:  # noqa: BLE001 -- the edge of the consuming loop: every error decides a fate
            if not is_passing_trouble(error):
                self._give_up(records, error)
            await self._postpone(message, records, error)
        else:
            self._attempt = 0
            await self._commit(message, records)

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
        log.error("batch.failed", **self._facts(records), exc_info=error)
        self._lifetime.fail(error)
        raise StopConsume

    def _facts(self, records: Sequence[ReceivedRecord]) -> Mapping[str, Any]:
        return {"topic": records[0].topic, "group": self._group, "record_count": len(records)}


def _assigns_by_hand(settings: KafkaSettings, group: str | None) -> bool:
    return group is None or settings.membership is Membership.SOLE


def _names(places: set[Place]) -> list[str]:
    return [f"{place.topic}/{place.partition}" for place in sorted(places)]
