"""What intake reads from Kafka: every version of the directory, and what routing decided."""

from dataclasses import dataclass
from typing import Final

from faststream.kafka import KafkaBroker

from schemas.topics import DIRECTORY, INTAKE_RECEIPTS_GROUP, RECEIPTS
from services.intake.handlers.directory import Directory
from services.intake.handlers.status import StatusDesk
from services.runtime.kafka import KafkaSettings, Pace, PartitionsReady, subscribe
from services.runtime.lifecycle import Lifetime

RECEIPTS_GROUP: Final = INTAKE_RECEIPTS_GROUP
RECEIPTS_AT_A_TIME: Final = 1000
"""Most are not for intake; of what routing decided, some 200, whose parsing takes 2 ms."""


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """For readiness."""

    directory: PartitionsReady
    receipts: PartitionsReady


def subscribe_all(
    broker: KafkaBroker,
    settings: KafkaSettings,
    *,
    directory: Directory,
    statuses: StatusDesk,
    lifetime: Lifetime,
) -> Subscriptions:
    # Without a group: each intake reads the whole topic at each start and has all of it in memory.
    followed = subscribe(
        broker,
        settings,
        directory.follow,
        group=None,
        topics=[DIRECTORY],
        lifetime=lifetime,
        pace=Pace.CALM,
    )
    recorded = subscribe(
        broker,
        settings,
        statuses.record,
        group=RECEIPTS_GROUP,
        topics=[RECEIPTS],
        lifetime=lifetime,
        pace=Pace.CALM,
        max_records=RECEIPTS_AT_A_TIME,
    )
    return Subscriptions(directory=followed, receipts=recorded)
