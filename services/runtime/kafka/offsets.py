"""Setting a group's committed offsets back, where something else says what was done."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.runtime.kafka.admin import KafkaAdmin, open_admin
from services.runtime.kafka.records import TopicLike
from services.runtime.kafka.waiting import ask_patiently, start_patiently
from services.runtime.kafka_access import KafkaAddress, client_arguments
from services.runtime.logs import get_logger
from services.runtime.settings import KafkaSettings

log = get_logger()


async def find_committed(
    admin: KafkaAdmin, settings: KafkaSettings, group: str, topic: TopicLike
) -> dict[int, int]:
    """How far a group has come, by partition; nothing once the cluster is not that of the settings."""
    found = await admin.committed_offsets(settings.name_group(group), topic.name, range(topic.partitions))
    # Asked afterwards: then what was found is of the cluster we started with, and not of its successor.
    return found if await admin.get_cluster_id() == settings.cluster_id else {}


async def rewind_commits(
    address: KafkaAddress, group: str, topic: str, *, not_beyond: Mapping[int, int]
) -> dict[int, int]:
    """Commits the limit of every partition whose committed offset lies beyond it; returns those partitions.

    To be called before the group's consumers start, with the next offsets that a database knows to be done. A
    process that did not yet know that the broker had lost its log may have committed what it never did.
    """
    async with open_admin(address) as admin:
        committed = await ask_patiently(lambda: admin.committed_offsets(group, topic, not_beyond))
    wrong = {
        number: not_beyond[number] for number, offset in committed.items() if offset > not_beyond[number]
    }
    if wrong:
        await _commit(
            address, group, {TopicPartition(topic, number): offset for number, offset in wrong.items()}
        )
        log.warning(
            "consumer.rewound", topic=topic, group=group, partitions=[str(number) for number in wrong]
        )
    return wrong


async def _commit(address: KafkaAddress, group: str, offsets: dict[TopicPartition, int]) -> None:
    consumer = await start_patiently(
        lambda: AIOKafkaConsumer(**client_arguments(address), group_id=group, enable_auto_commit=False),
        AIOKafkaConsumer.stop,
    )
    try:
        consumer.assign(list(offsets))
        await ask_patiently(lambda: consumer.commit(offsets))
    finally:
        await consumer.stop()
