"""Topics, committed offsets and the identity of the cluster."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from services.runtime.kafka.records import TopicSpec
from services.runtime.kafka.waiting import start_patiently
from services.runtime.kafka_access import KafkaAddress, client_arguments
from services.runtime.logs import get_logger

log = get_logger()

REQUEST_MS: Final = 5000
POLL_SECONDS: Final = 0.05
CREATE_SECONDS: Final = 30.0


class TopicMismatchError(Exception):
    """A topic exists with another number of partitions than it must have."""


class KafkaAdmin:
    """What we ask of a cluster beside publishing and reading. Raises aiokafka's KafkaError."""

    def __init__(self, client: AIOKafkaAdminClient) -> None:
        self._client = client

    async def get_cluster_id(self) -> str:
        cluster: dict[str, Any] = await self._client.describe_cluster()
        return str(cluster["cluster_id"] or "")

    async def ensure_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Creates what is missing and waits until every partition has a leader. Raises TopicMismatchError."""
        await self._create_missing(specs)
        async with asyncio.timeout(CREATE_SECONDS):
            while not await self._are_led(specs):  # noqa: ASYNC110 -- a cluster has no event to wait for
                await asyncio.sleep(POLL_SECONDS)

    async def committed_offsets(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Next offset by partition; one that the group never committed is absent."""
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        found = await self._client.list_consumer_group_offsets(group, partitions=wanted)
        return {place.partition: kept.offset for place, kept in found.items() if kept.offset >= 0}

    async def _create_missing(self, specs: Sequence[TopicSpec]) -> None:
        present = set(await self._client.list_topics())
        missing = {spec.name: spec for spec in specs if spec.name not in present}
        if not missing:
            return
        response = await self._client.create_topics([_new_topic(spec) for spec in missing.values()])
        for outcome in response.to_object()["topic_errors"]:
            error = for_code(outcome["error_code"])
            if outcome["error_code"] == 0:
                spec = missing[outcome["topic"]]
                log.info("kafka.topic_created", topic=spec.name, partition_count=spec.partitions)
            elif error is not TopicAlreadyExistsError:
                raise error(outcome["topic"])

    async def _are_led(self, specs: Sequence[TopicSpec]) -> bool:
        described = {topic["topic"]: topic for topic in await self._client.describe_topics()}
        for spec in specs:
            partitions = described.get(spec.name, {}).get("partitions", [])
            if partitions and len(partitions) != spec.partitions:
                raise TopicMismatchError(
                    f"{spec.name} has {len(partitions)} partitions, not {spec.partitions}"
                )
            if not partitions or any(partition["leader"] < 0 for partition in partitions):
                return False
        return True


@asynccontextmanager
async def open_admin(address: KafkaAddress) -> AsyncIterator[KafkaAdmin]:
    """Waits for the broker."""
    client = await start_patiently(
        lambda: AIOKafkaAdminClient(**client_arguments(address), request_timeout_ms=REQUEST_MS),
        AIOKafkaAdminClient.close,
    )
    try:
        yield KafkaAdmin(client)
    finally:
        await client.close()


async def ensure_topics(address: KafkaAddress, specs: Sequence[TopicSpec]) -> None:
    """Creates the topics that are missing; see KafkaAdmin."""
    async with open_admin(address) as admin:
        await admin.ensure_topics(specs)


async def committed_offsets(
    address: KafkaAddress, group: str, topic: str, partitions: Iterable[int]
) -> dict[int, int]:
    """Next offset by partition; one that the group never committed is absent."""
    async with open_admin(address) as admin:
        return await admin.committed_offsets(group, topic, partitions)


def _new_topic(spec: TopicSpec) -> NewTopic:
    return NewTopic(
        name=spec.name,
        num_partitions=spec.partitions,
        replication_factor=spec.replication_factor,
        # Not None, or the client refuses -1, which means "as the cluster is configured".
        replica_assignments={} if spec.replication_factor == -1 else None,
        topic_configs=dict(spec.configs),
    )
