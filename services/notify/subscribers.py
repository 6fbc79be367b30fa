"""What notify reads from Kafka: the alerts that routing decided, and every version of the directory."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from faststream.kafka import KafkaBroker

from schemas.topics import ALERTS, DIRECTORY
from services.notify.handlers.alerts import AlertHandler
from services.notify.handlers.directory import DirectoryKeeper
from services.runtime.kafka import (
    BatchHandler,
    KafkaSettings,
    Pace,
    PartitionsReady,
    ReceivedRecord,
    subscribe,
)
from services.runtime.lifecycle import Lifetime

ALERTS_GROUP: Final = "tocsin.notify.alerts"
ALERTS_AT_ONCE: Final = 400
"""A batch that comes after an outage must not keep the loop, or memory, for longer."""
BUSY_FROM: Final = 5
"""Records in one batch from which on the consumer rests: fewer come and go at once."""
REST_SECONDS: Final = 0.03
HEAVY_FROM: Final = 220
"""From so many on, what fewer batches save is worth more than a moment: 6 % of all at 1,000 events a second.

More than come in one batch at half of that, where alerts must not wait.
"""
HEAVY_REST_SECONDS: Final = 0.08
LONGEST_REST_SECONDS: Final = 0.15


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """For readiness."""

    alerts: PartitionsReady
    directory: PartitionsReady


def subscribe_all(
    broker: KafkaBroker,
    settings: KafkaSettings,
    *,
    alerts: AlertHandler,
    directory: DirectoryKeeper,
    catch_up: Callable[[], Awaitable[None]],
    on_revoked: Callable[[], None],
    lifetime: Lifetime,
) -> Subscriptions:
    # Without a group: each process reads the whole topic at each start and has all of it in memory.
    followed = subscribe(
        broker,
        settings,
        directory.follow,
        group=None,
        topics=[DIRECTORY],
        lifetime=lifetime,
        pace=Pace.CALM,
    )
    taken = subscribe(
        broker,
        settings,
        resting(alerts.take_over, catch_up=catch_up),
        group=ALERTS_GROUP,
        topics=[ALERTS],
        lifetime=lifetime,
        pace=Pace.HOT,
        max_records=ALERTS_AT_ONCE,
        on_revoked=on_revoked,
    )
    return Subscriptions(alerts=taken, directory=followed)


def resting(handler: BatchHandler, *, catch_up: Callable[[], Awaitable[None]]) -> BatchHandler:
    """Rests after a batch under load: what comes meanwhile shares the cost of the next one.

    While attempts lag behind it rests longer, so that a backlog waits in Kafka and costs no claim. Never for
    long: a receiver that takes its time must not hold up what comes for others.
    """

    async def handle(records: Sequence[ReceivedRecord]) -> None:
        await handler(records)
        if len(records) >= BUSY_FROM:
            seconds = HEAVY_REST_SECONDS if len(records) >= HEAVY_FROM else REST_SECONDS
            await asyncio.sleep(seconds)
            await _at_most(catch_up, LONGEST_REST_SECONDS - seconds)

    return handle


async def _at_most(waiting: Callable[[], Awaitable[None]], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waiting()
    except TimeoutError:
        return
