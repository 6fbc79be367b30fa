"""Topics of a real cluster: looked at, made, brought to what they must be, and checked before work begins."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from services.runtime.kafka.admin import CREATE_SECONDS, POLL_SECONDS, REQUEST_MS, KafkaAdmin
from services.runtime.kafka.records import TopicLike, TopicSpec
from services.runtime.kafka.topic_plan import (
    Alter,
    Refuse,
    TopicDescription,
    TopicState,
    TopicStep,
    build_specs,
    find_dangers,
    plan_topics,
)
from services.runtime.kafka.waiting import ask_patiently, start_patiently
from services.runtime.kafka_access import KafkaAddress, client_arguments
from services.runtime.logs import get_logger
from services.runtime.settings import Durability

log = get_logger()

_TOPIC_LEVEL: Final = 1
_MISSING_POLL_SECONDS: Final = 0.2


class DangerousTopicsError(Exception):
    """The topics would lose or withhold what was accepted; the text says which setting, and holds no data."""


class TopicsRefusedError(Exception):
    """A topic cannot be made what it must be; nothing was changed."""


async def plan_cluster(address: KafkaAddress, specs: Sequence[TopicSpec]) -> list[TopicStep]:
    """What `apply_topics` would do. Waits for the broker; raises aiokafka's KafkaError."""
    client = await _connect(address)
    try:
        return plan_topics(specs, await _describe(client, specs))
    finally:
        await client.close()


async def apply_topics(address: KafkaAddress, specs: Sequence[TopicSpec]) -> list[TopicStep]:
    """Does the whole plan or, if any of it is refused, nothing. Raises TopicsRefusedError."""
    client = await _connect(address)
    try:
        steps = plan_topics(specs, await _describe(client, specs))
        refused = [step for step in steps if isinstance(step, Refuse)]
        if refused:
            raise TopicsRefusedError("\n".join(f"{step.spec.name}: {step.reason}" for step in refused))
        for step in steps:
            if isinstance(step, Alter):
                await _alter(client, step)
        # Also when none is missing: it waits until every partition has a leader.
        await KafkaAdmin(client).ensure_topics(specs)
        async with asyncio.timeout(CREATE_SECONDS):
            while await _are_being_altered(client, specs):  # noqa: ASYNC110 -- a cluster has no event to wait for
                await asyncio.sleep(POLL_SECONDS)
        return steps
    finally:
        await client.close()


async def check_topics(
    address: KafkaAddress, topics: Sequence[TopicDescription], *, durability: Durability
) -> None:
    """For a service, before it begins: waits for topics that are missing. Raises DangerousTopicsError."""
    specs = build_specs(topics)
    client = await _connect(address)
    try:
        found = await _wait_for_all(client, specs)
    finally:
        await client.close()
    dangers = find_dangers(specs, found, durability=durability)
    for danger in dangers:
        log.error("kafka.topic_refused", reason=danger)
    if dangers:
        raise DangerousTopicsError("; ".join(dangers))


async def _wait_for_all(client: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, TopicState]:
    """Nobody but `tocsin topics apply` makes them: made by a client they would have the wrong shape."""
    complained = False
    while True:
        found = await ask_patiently(lambda: _describe(client, specs))
        missing = sorted({spec.name for spec in specs} - found.keys())
        if not missing:
            return found
        if not complained:
            log.warning("kafka.topics_missing", topics=missing)
            complained = True
        await asyncio.sleep(_MISSING_POLL_SECONDS)


async def _connect(address: KafkaAddress) -> AIOKafkaAdminClient:
    return await start_patiently(
        lambda: AIOKafkaAdminClient(**client_arguments(address), request_timeout_ms=REQUEST_MS),
        AIOKafkaAdminClient.close,
    )


async def _describe(client: AIOKafkaAdminClient, topics: Sequence[TopicLike]) -> dict[str, TopicState]:
    """Those that are there."""
    present = {entry["topic"]: entry["partitions"] for entry in await client.describe_topics()}
    names = [topic.name for topic in topics if present.get(topic.name)]
    if not names:
        return {}
    answers = await client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    entries = {
        resource["resource_name"]: resource["config_entries"]
        for answer in answers
        for resource in answer.to_object()["resources"]
    }
    return {name: _read_state(name, present[name], entries.get(name, [])) for name in names}


def _read_state(
    name: str, partitions: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]
) -> TopicState:
    return TopicState(
        name=name,
        partitions=len(partitions),
        copies=min(len(partition["replicas"]) for partition in partitions),
        settings={entry["config_names"]: entry["config_value"] or "" for entry in entries},
        overrides={
            entry["config_names"]: entry["config_value"] or ""
            for entry in entries
            if entry["config_source"] == _TOPIC_LEVEL
        },
    )


async def _are_being_altered(client: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> bool:
    """Brokers learn of a change a moment after it was accepted."""
    return any(isinstance(step, Alter) for step in plan_topics(specs, await _describe(client, specs)))


async def _alter(client: AIOKafkaAdminClient, step: Alter) -> None:
    """Sets all of the topic's own settings: this request forgets those that it does not name."""
    resource = ConfigResource(ConfigResourceType.TOPIC, step.spec.name, dict(step.overrides))
    (answer,) = await client.alter_configs([resource])
    for outcome in answer.to_object()["resources"]:
        if outcome["error_code"]:
            raise for_code(outcome["error_code"])(step.spec.name)
    log.info("kafka.topic_altered", topic=step.spec.name, settings=sorted(step.changes))
