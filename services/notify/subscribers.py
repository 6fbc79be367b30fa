"""What notify reads from Kafka: the alerts that routing decided, and every version of the directory."""

from dataclasses import dataclass
from typing import Final

from faststream.kafka import KafkaBroker

from schemas.topics import ALERTS, DIRECTORY
from services.notify.handlers.alerts import AlertHandler
from services.notify.handlers.directory import DirectoryKeeper
from services.runtime.kafka import KafkaSettings, Pace, PartitionsReady, subscribe
from services.runtime.lifecycle import Lifetime

ALERTS_GROUP: Final = "tocsin.notify.alerts"


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
        alerts.take_over,
        group=ALERTS_GROUP,
        topics=[ALERTS],
        lifetime=lifetime,
        pace=Pace.HOT,
    )
    return Subscriptions(alerts=taken, directory=followed)
