"""Consuming in batches of raw records: FastStream's subscriber, with our own rule of what becomes of a batch.

A batch that was handled is committed; one that met passing trouble is read again after a pause; any other
error is a fault of ours and ends the process, with nothing of the batch committed.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast

from aiokafka import AIOKafkaConsumer
from faststream.kafka import KafkaBroker, KafkaMessage, Topic, TopicPartition
from faststream.kafka.message import ConsumerProtocol, KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.middlewares import AckPolicy

from services.runtime.kafka.fate import BatchFate, BatchHandler
from services.runtime.kafka.readiness import PartitionsReady
from services.runtime.kafka.records import TopicLike
from services.runtime.kafka.security import build_security
from services.runtime.lifecycle import Lifetime
from services.runtime.settings import KafkaSettings, Membership

SESSION_MS: Final = 6000
HEARTBEAT_MS: Final = 2000
MAX_RECORDS: Final = 500
GRACEFUL_SECONDS: Final = 10.0


class Pace(Enum):
    """How soon a new record must be seen, against what asking costs while there is none."""

    HOT = "hot"
    """Within some 30 ms: the way from an event to its delivery."""
    CALM = "calm"
    """Within some 200 ms: what nobody waits for."""


@dataclass(frozen=True, slots=True)
class _Waits:
    """``poll_ms``: FastStream's wait for records, and its sleep when there were none."""

    fetch_ms: int
    poll_ms: int


# Kafka answers when something comes. Tansu looks at half of the wait it is allowed, at three quarters and so
# on, and each look costs it CPU.
_WAITS: Final[Mapping[tuple[Membership, Pace], _Waits]] = {
    (Membership.STATIC, Pace.HOT): _Waits(fetch_ms=500, poll_ms=10),
    (Membership.STATIC, Pace.CALM): _Waits(fetch_ms=500, poll_ms=50),
    (Membership.SOLE, Pace.HOT): _Waits(fetch_ms=50, poll_ms=10),
    (Membership.SOLE, Pace.CALM): _Waits(fetch_ms=200, poll_ms=50),
}


def build_broker(settings: KafkaSettings, *, graceful_seconds: float = GRACEFUL_SECONDS) -> KafkaBroker:
    """A FastStream broker that only consumes; what it publishes goes through a Publisher."""
    logger = logging.getLogger("faststream")
    logger.setLevel(logging.ERROR)
    return KafkaBroker(
        settings.bootstrap.split(","),
        security=build_security(settings.security),
        client_id=settings.member,
        consumer_only=True,
        apply_types=False,
        logger=logger,
        graceful_timeout=graceful_seconds,
    )


@asynccontextmanager
async def open_consumers(broker: KafkaBroker) -> AsyncIterator[None]:
    """Runs the broker's subscriptions within the block; leaving it finishes the batches in hand."""
    try:
        await broker.start()
        yield
    finally:
        await broker.stop()


def subscriber_options(
    settings: KafkaSettings,
    *,
    group: str | None,
    topics: Sequence[TopicLike],
    pace: Pace = Pace.HOT,
    max_records: int = MAX_RECORDS,
) -> dict[str, Any]:
    """Keyword arguments of ``KafkaBroker.subscriber``: batches, manual acks, earliest, 6 s session.

    In a group the topics go in as positional arguments (``topic_arguments``); else every partition of them is
    assigned here.
    """
    waits = _WAITS[settings.membership, pace]
    options: dict[str, Any] = {
        "batch": True,
        "batch_timeout_ms": waits.poll_ms,
        "fetch_max_wait_ms": waits.fetch_ms,
        "max_records": max_records,
        "group_id": None if group is None else settings.name_group(group),
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


def subscribe(  # noqa: PLR0913 -- each is a choice of its own, made by keyword
    broker: KafkaBroker,
    settings: KafkaSettings,
    handler: BatchHandler,
    *,
    group: str | None,
    topics: Sequence[TopicLike],
    lifetime: Lifetime,
    pace: Pace = Pace.HOT,
    max_records: int = MAX_RECORDS,
    on_revoked: Callable[[], None] | None = None,
) -> PartitionsReady:
    """Has the handler called with each batch once the broker is started.

    One subscription per group and process (a second one would be the same static member). Without a group
    every record is read from the beginning at each start and nothing is committed. `on_revoked` is called
    before another member can have what this one had.
    """
    ready = PartitionsReady(group=group, membership=settings.membership, on_revoked=on_revoked)
    subscriber = broker.subscriber(
        *topic_arguments(settings, group=group, topics=topics),
        **subscriber_options(settings, group=group, topics=topics, pace=pace, max_records=max_records),
        listener=ready,
    )
    ready.watch(subscriber)
    fate = BatchFate(
        handler,
        # Typed as optional because it is None until the start; a batch comes only afterwards.
        find_consumer=lambda: cast("AIOKafkaConsumer", subscriber.consumer),
        group=group,
        lifetime=lifetime,
    )
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


def _assigns_by_hand(settings: KafkaSettings, group: str | None) -> bool:
    return group is None or settings.membership is Membership.SOLE
