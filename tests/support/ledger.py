"""What the database says, asked past the services."""

from collections.abc import Iterable

from schemas.topics import ALERTS
from services.runtime.kafka import TopicLike, open_admin, read_topic_to_end
from tests.support.story import CaseEvent
from tests.support.task_force import TaskForce


async def find_alert_ids(task_force: TaskForce, event: CaseEvent) -> dict[str, str]:
    """Agency → id of what routing decided to tell it; empty before the decision is committed."""
    return (await read_ledger(task_force, [event])).get(event["id"], {})


async def read_ledger(task_force: TaskForce, events: Iterable[CaseEvent]) -> dict[str, dict[str, str]]:
    """Event id → agency → alert id, of the events that were decided. There is one decision for each."""
    ids = [event["id"] for event in events]
    # Of one moment: what is decided between the two questions would have alerts and no decision.
    async with (
        task_force.database() as database,
        database.transaction(isolation="repeatable_read", readonly=True),
    ):
        decisions = await database.fetch(
            "SELECT event_id FROM routing.decision WHERE event_id = ANY ($1)", ids
        )
        alerts = await database.fetch(
            "SELECT event_id, agency, alert_id::text FROM routing.alert WHERE event_id = ANY ($1)", ids
        )
    ledger: dict[str, dict[str, str]] = {row["event_id"]: {} for row in decisions}
    assert len(ledger) == len(decisions)
    for row in alerts:
        agencies = ledger[row["event_id"]]
        assert row["agency"] not in agencies
        agencies[row["agency"]] = row["alert_id"]
    return ledger


async def find_stored_ids(task_force: TaskForce, event: CaseEvent) -> set[str]:
    """Ids of what notify has taken over of this case."""
    async with task_force.database() as database:
        rows = await database.fetch(
            "SELECT alert_id::text FROM notify.alert WHERE case_ref = $1", event["subject"]
        )
    return {row["alert_id"] for row in rows}


async def count_failures(task_force: TaskForce, event: CaseEvent) -> int:
    """Attempts at deliveries of this case that are recorded as failed, for now."""
    async with task_force.database() as database:
        count: int = await database.fetchval(
            "SELECT count(*) FROM notify.attempt JOIN notify.delivery USING (delivery_id)"
            " JOIN notify.alert USING (alert_id, revision)"
            " WHERE case_ref = $1 AND outcome = 'unavailable'",
            event["subject"],
        )
    return count


async def count_published_alerts(task_force: TaskForce, event: CaseEvent) -> int:
    """Records of this case on the alerts topic, repeats included."""
    records = await read_topic_to_end(
        task_force.stack.ready["kafka"], ALERTS.name, partitions=ALERTS.partitions
    )
    return sum(record.key == event["subject"].encode() for record in records)


async def has_read_all(task_force: TaskForce, group: str, topic: TopicLike) -> bool:
    """Whether a consumer group is done with everything that is on the topic now."""
    kafka = task_force.stack.ready["kafka"]
    records = await read_topic_to_end(kafka, topic.name, partitions=topic.partitions)
    ends = {record.partition: record.offset + 1 for record in records}
    done = await _find_committed(kafka, group, topic)
    return all(done.get(partition, 0) >= end for partition, end in ends.items())


async def _find_committed(kafka: str, group: str, topic: TopicLike) -> dict[int, int]:
    """On a broker that forgets, a group's name ends with the cluster's."""
    async with open_admin(kafka) as admin:
        names = (group, f"{group}.{await admin.get_cluster_id()}")
        found = [await admin.committed_offsets(name, topic.name, range(topic.partitions)) for name in names]
    return found[0] or found[1]
