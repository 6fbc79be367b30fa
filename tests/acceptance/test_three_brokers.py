"""Three brokers of Apache Kafka: one goes, a leader moves, a consumer sleeps: nothing accepted is lost."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.topics import CASE_EVENTS, TOPICS
from services.notify.subscribers import ALERTS_GROUP
from services.routing.subscribers import EVENTS_GROUP
from services.runtime.kafka import check_topics
from services.runtime.settings import Durability
from tests.support.second_service import second_service
from tests.support.steady_load import SteadyLoad, all_arrive, steady_load
from tests.support.story import ADVOCATE, adult_found_by_police
from tests.support.task_force import SERVICES, TaskForce, open_task_force
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.apache_only("they need three brokers that keep copies of each other's logs"),
    pytest.mark.timeout(240),
]

BROKERS = {1: "kafka", 2: "kafka-2", 3: "kafka-3"}
PATIENCE = 90.0
"""A broker that went is missed after nine seconds, and comes back on a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def task_force() -> AsyncIterator[TaskForce]:
    async with open_task_force(options=("--brokers", "3")) as running:
        yield running


@asynccontextmanager
async def asking(task_force: TaskForce) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=task_force.stack.ready["kafka"], request_timeout_ms=5000)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def list_partitions(task_force: TaskForce) -> list[Mapping[str, Any]]:
    """Of every topic of ours: leader, replicas and who is in sync."""
    async with asking(task_force) as client:
        described = await client.describe_topics([topic.name for topic in TOPICS])
    return [partition for topic in described for partition in topic["partitions"]]


async def are_whole(task_force: TaskForce) -> bool:
    """Whether every copy of every partition is in sync, as far as a broker that just came back can say."""
    with suppress(KafkaError):
        return all(set(one["isr"]) == set(BROKERS) for one in await list_partitions(task_force))
    return False


async def nobody_is_led_by(task_force: TaskForce, number: int) -> bool:
    with suppress(KafkaError):
        return all(one["leader"] not in {number, -1} for one in await list_partitions(task_force))
    return False


async def a_leader_of_case_events(task_force: TaskForce) -> int:
    async with asking(task_force) as client:
        (described,) = await client.describe_topics([CASE_EVENTS.name])
    return int(described["partitions"][0]["leader"])


async def wait_until_whole(task_force: TaskForce) -> None:
    await eventually(lambda: are_whole(task_force), what="every copy is in sync", seconds=PATIENCE)
    await task_force.ready()


async def test_it_says_replicated_and_is(task_force: TaskForce) -> None:
    ready = task_force.stack.ready
    assert ready["durability"] == "replicated"
    assert set(BROKERS.values()) <= set(ready["pids"])
    await check_topics(ready["kafka"], TOPICS, durability=Durability.REPLICATED)
    answer = await task_force.post(adult_found_by_police(name="replicated"))
    assert (answer.status, answer.json()["durability"]) == (202, "replicated")
    await wait_until_whole(task_force)


async def test_a_leader_killed_under_load_loses_nothing_that_was_accepted(task_force: TaskForce) -> None:
    await wait_until_whole(task_force)
    victim = await a_leader_of_case_events(task_force)
    async with steady_load(task_force) as load:
        await load.go_on(20)
        task_force.stack.kill(BROKERS[victim])
        await load.go_on(20)
        await wait_until_whole(task_force)
        await load.go_on(20)
    await all_arrive(task_force, load.accepted)


async def test_leaders_that_are_moved_under_load_lose_nothing(task_force: TaskForce) -> None:
    """A broker that is asked to end hands its partitions over first."""
    await wait_until_whole(task_force)
    leaving = await a_leader_of_case_events(task_force)
    async with steady_load(task_force) as load:
        await load.go_on(20)
        task_force.ask_to_end(BROKERS[leaving])
        await eventually(
            lambda: nobody_is_led_by(task_force, leaving), what="its partitions have other leaders"
        )
        await load.go_on(20)
        await wait_until_whole(task_force)
    await all_arrive(task_force, load.accepted)


async def test_a_rolling_restart_of_each_service_under_load_loses_nothing(task_force: TaskForce) -> None:
    async with steady_load(task_force) as load:
        for name in SERVICES:
            await restart_in_order(task_force, name, load)
    await all_arrive(task_force, load.accepted)


async def restart_in_order(task_force: TaskForce, name: str, load: SteadyLoad) -> None:
    await load.go_on(15)
    before = task_force.ask_to_end(name)

    async def is_another() -> bool:
        return task_force.stack.pids[name] != before

    await eventually(is_another, what=f"{name} is another process")
    await task_force.ready()
    await load.go_on(15)


async def count_members(task_force: TaskForce, group: str) -> int:
    async with asking(task_force) as client:
        (answer,) = await client.describe_consumer_groups([group])
    return len(answer.to_object()["groups"][0]["members"])


async def test_a_consumer_that_sleeps_past_its_session_and_wakes_repeats_nothing_under_another_id(
    task_force: TaskForce,
) -> None:
    """Its partitions go to the other one meanwhile; what the sleeper had in hand it finds done."""
    await task_force.ready()
    async with second_service(task_force, "routing", member="routing-1") as second:
        await eventually(
            lambda: has_members(task_force, EVENTS_GROUP, 2), what="both are members of the group"
        )
        async with steady_load(task_force) as load:
            await load.go_on(15)
            async with asleep(task_force, "routing", group=EVENTS_GROUP, left=1):
                await load.go_on(15)
                for event in load.accepted[-5:]:
                    await task_force.hears(ADVOCATE, event)
            await eventually(
                lambda: has_members(task_force, EVENTS_GROUP, 2),
                what="the sleeper is a member again",
                seconds=PATIENCE,
            )
            await load.go_on(15)
        assert second.logged("batch.decided")
        await all_arrive(task_force, load.accepted)


@asynccontextmanager
async def asleep(task_force: TaskForce, name: str, *, group: str, left: int) -> AsyncIterator[None]:
    """The process does nothing within the block, and is no member of its group any more."""
    task_force.freeze(name)
    try:
        await eventually(
            lambda: has_members(task_force, group, left),
            what=f"{name} is no member any more",
            seconds=PATIENCE,
        )
        yield
    finally:
        task_force.thaw(name)


async def has_members(task_force: TaskForce, group: str, count: int) -> bool:
    return await count_members(task_force, group) == count


async def test_all_of_notify_asleep_past_its_session_holds_alerts_up_and_loses_none(
    task_force: TaskForce,
) -> None:
    """Nobody takes over: the alerts wait on the topic."""
    async with steady_load(task_force) as load:
        await load.go_on(10)
        async with asleep(task_force, "notify", group=ALERTS_GROUP, left=0):
            await load.go_on(20)
    await task_force.ready()
    await all_arrive(task_force, load.accepted)
