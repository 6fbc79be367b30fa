"""What routing reads from Kafka, and which handler takes it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from faststream.kafka import KafkaBroker

from schemas.topics import CASE_EVENTS, RECEIPTS, ROUTING_EVENTS_GROUP, ROUTING_RECEIPTS_GROUP
from services.runtime.health import JsonFact
from services.runtime.kafka import (
    BatchHandler,
    KafkaSettings,
    Pace,
    PartitionsReady,
    ReceivedRecord,
    subscribe,
)
from services.runtime.lifecycle import Lifetime

BUSY_FROM: Final = 5
"""Records in one batch from which on the consumer rests: fewer come and go at once."""
FULL_FROM: Final = 100
"""Records in one batch from which on it does not: more would hardly be cheaper, and others wait already."""
EVENTS_REST_SECONDS: Final = 0.025
RECEIPTS_REST_SECONDS: Final = 0.25
EVENTS_AT_ONCE: Final = 150
"""A batch that comes after an outage must not keep the loop, or memory, for longer."""
RECEIPTS_AT_ONCE: Final = 1000

EVENTS_GROUP: Final = ROUTING_EVENTS_GROUP
RECEIPTS_GROUP: Final = ROUTING_RECEIPTS_GROUP


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """For readiness."""

    events: PartitionsReady
    receipts: PartitionsReady

    def describe(self) -> JsonFact:
        return {"events": self.events.describe(), "receipts": self.receipts.describe()}


def subscribe_all(
    broker: KafkaBroker,
    settings: KafkaSettings,
    *,
    events: BatchHandler,
    receipts: BatchHandler,
    lifetime: Lifetime,
) -> Subscriptions:
    decided = subscribe(
        broker,
        settings,
        resting(events, seconds=EVENTS_REST_SECONDS, full_from=FULL_FROM),
        group=EVENTS_GROUP,
        topics=[CASE_EVENTS],
        lifetime=lifetime,
        max_records=EVENTS_AT_ONCE,
    )
    # Nobody waits for what receipts tell, so they come in larger batches.
    recorded = subscribe(
        broker,
        settings,
        resting(receipts, seconds=RECEIPTS_REST_SECONDS, full_from=RECEIPTS_AT_ONCE),
        group=RECEIPTS_GROUP,
        topics=[RECEIPTS],
        lifetime=lifetime,
        pace=Pace.CALM,
        max_records=RECEIPTS_AT_ONCE,
    )
    return Subscriptions(events=decided, receipts=recorded)


def resting(handler: BatchHandler, *, seconds: float, full_from: int) -> BatchHandler:
    """Rests after a batch under load: what comes meanwhile shares the cost of the next one.

    Measured with 30 ms at 1,000 events a second: a fifth less CPU here, a third less in PostgreSQL.
    """

    async def handle(records: Sequence[ReceivedRecord]) -> None:
        await handler(records)
        if BUSY_FROM <= len(records) < full_from:
            await asyncio.sleep(seconds)

    return handle
