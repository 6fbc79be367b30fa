"""Whether a consumer has its partitions."""

from collections.abc import Callable

from aiokafka import ConsumerRebalanceListener, TopicPartition
from faststream.kafka.subscriber.usecase import BatchSubscriber

from services.runtime.health import JsonFact, NotReadyError
from services.runtime.logs import get_logger
from services.runtime.settings import Membership

log = get_logger()


class PartitionsReady(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Knows whether a consumer has its partitions and a position in each."""

    def __init__(
        self, *, group: str | None, membership: Membership, on_revoked: Callable[[], None] | None = None
    ) -> None:
        self._group = group
        self._on_revoked = on_revoked
        self._subscriber: BatchSubscriber | None = None
        # A manual assignment is there from the start; a group's comes with the first rebalance.
        self._is_assigned = membership is Membership.SOLE or group is None

    def watch(self, subscriber: BatchSubscriber) -> None:
        self._subscriber = subscriber

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._is_assigned = True
        log.info("consumer.partitions_assigned", group=self._group, partitions=_names(assigned))

    async def on_partitions_revoked(self, _: set[TopicPartition]) -> None:
        self._is_assigned = False
        if self._on_revoked is not None:
            self._on_revoked()

    @property
    def partitions(self) -> set[TopicPartition]:
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


def _names(places: set[TopicPartition]) -> list[str]:
    return [f"{place.topic}/{place.partition}" for place in sorted(places)]
