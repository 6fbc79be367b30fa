"""Two routing processes on the same partitions: every event is decided by exactly one of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson
import pytest

from schemas.topics import ALERTS, CASE_EVENTS
from services.notify.subscribers import ALERTS_GROUP
from services.routing.subscribers import EVENTS_GROUP
from tests.support.kafka_choice import ON_APACHE
from tests.support.ledger import has_read_all, read_ledger
from tests.support.second_service import second_service
from tests.support.story import ADVOCATE, POLICE, CaseEvent, adult_found_by_police
from tests.support.task_force import TaskForce
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVENTS = 600
BATCH = 20
SENDERS = 3
FIRST_BATCHES = 3


async def test_two_consumers_of_the_same_partitions_decide_each_event_once(
    harsh_task_force: TaskForce,
) -> None:
    events = [adult_found_by_police(name="contested") for _ in range(EVENTS)]
    async with second_service(harsh_task_force, "routing", member="routing-1") as second:
        batches = iter([events[start : start + BATCH] for start in range(0, EVENTS, BATCH)])
        # While one stands still the other decides, so that either has some whoever is the faster.
        with harsh_task_force.standing_still("routing"):
            await send(harsh_task_force, islice(batches, FIRST_BATCHES))
            await eventually(has_decided(second.logged), what="the second has decided something")
        before = count_decided(harsh_task_force.logged("batch.decided"))
        with second.standing_still():
            await send(harsh_task_force, islice(batches, FIRST_BATCHES))
            await eventually(
                has_decided(harsh_task_force.logged, more_than=before), what="the first has decided something"
            )
        await asyncio.gather(*(send(harsh_task_force, batches) for _ in range(SENDERS)))
        for event in events:
            await harsh_task_force.hears(ADVOCATE, event)
        await eventually(
            lambda: has_read_all(harsh_task_force, EVENTS_GROUP, CASE_EVENTS), what="all is decided"
        )
        by_second = second.logged("batch.decided")
    await eventually(lambda: has_read_all(harsh_task_force, ALERTS_GROUP, ALERTS), what="all is taken over")

    # Neither stood by: each decided some of them.
    assert 0 < sum(line["record_count"] for line in by_second) < EVENTS
    # A real group shares the partitions out; on the embedded broker each reads all, and publishes again what
    # it finds decided.
    assert ON_APACHE or sum(line["republished_count"] for line in by_second) > 0
    ledger = await read_ledger(harsh_task_force, events)
    for event in events:
        (arrival,) = harsh_task_force.heard(ADVOCATE, event)
        assert ledger[event["id"]] == {ADVOCATE: arrival.webhook_id.removesuffix("_1")}


def has_decided(
    logged: Callable[[str], list[dict[str, Any]]], *, more_than: int = 0
) -> Callable[[], Awaitable[bool]]:
    async def find() -> bool:
        return count_decided(logged("batch.decided")) > more_than

    return find


def count_decided(lines: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(line["record_count"]) for line in lines)


async def send(task_force: TaskForce, batches: Iterator[Sequence[CaseEvent]]) -> None:
    key = task_force.stack.keys["sources"][POLICE]
    for batch in batches:
        answer = await task_force.post(
            orjson.dumps(batch), key=key, **{"Content-Type": "application/cloudevents-batch+json"}
        )
        assert [event["status"] for event in answer.json()["events"]] == [202] * len(batch)
