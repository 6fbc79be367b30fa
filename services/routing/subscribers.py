"""What routing reads from Kafka, and which handler takes it."""

from dataclasses import dataclass
from typing import Final

from faststream.kafka import KafkaBroker

from schemas.topics import CASE_EVENTS, RECEIPTS
from services.runtime.health import JsonFact
from services.runtime.kafka import BatchHandler, KafkaSettings, Pace, PartitionsReady, subscribe
from services.runtime.lifecycle import Lifetime

EVENTS_GROUP: Final = "tocsin.routing.case-events"
RECEIPTS_GROUP: Final = "tocsin.routing.receipts"


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
    decided = subscribe(broker, settings, events, group=EVENTS_GROUP, topics=[CASE_EVENTS], lifetime=lifetime)
    # Nobody waits for what receipts tell, so they come in larger batches.
    recorded = subscribe(
        broker,
        settings,
        receipts,
        group=RECEIPTS_GROUP,
        topics=[RECEIPTS],
        lifetime=lifetime,
        pace=Pace.CALM,
    )
    return Subscriptions(events=decided, receipts=recorded)
