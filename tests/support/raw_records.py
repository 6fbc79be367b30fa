"""Records that no service of ours would publish."""

from collections.abc import Sequence

from schemas.topics import CASE_EVENTS
from services.runtime.kafka import KafkaSettings, Record, open_publisher
from tests.support.story import CaseEvent
from tests.support.task_force import TaskForce


async def produce_beside(task_force: TaskForce, event: CaseEvent, values: Sequence[bytes]) -> None:
    """Straight onto the topic of case events, into the partition of this event's case."""
    settings = KafkaSettings(bootstrap=task_force.stack.ready["kafka"], idempotence=False)
    async with open_publisher(settings) as publisher:
        await publisher.publish(
            [Record(CASE_EVENTS.name, event["subject"].encode(), value) for value in values]
        )
