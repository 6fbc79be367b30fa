"""A broker that lost its log is another cluster, and the process must notice."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from services.runtime.health import NotReadyError
from services.runtime.kafka import open_cluster_watch, stop_on_cluster_change
from services.runtime.kafka.cluster import STALE_SECONDS
from services.runtime.lifecycle import ExitCode, Lifetime, background
from services.runtime.logs import capture_logs
from tests.integration.runtime.servers import KafkaServer


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    server = KafkaServer()
    server.start()
    yield server
    server.kill()


async def test_another_cluster_behind_the_address_ends_the_process_with_75(own_kafka: KafkaServer) -> None:
    lifetime, before = Lifetime(), own_kafka.cluster_id
    with capture_logs({}) as lines:
        async with open_cluster_watch(own_kafka.bootstrap) as watch:
            assert watch.cluster_id == before
            await watch.check()
            own_kafka.kill()
            own_kafka.start()
            async with background(lifetime, stop_on_cluster_change(watch, lifetime)), asyncio.timeout(10):
                await lifetime.wait()
            with pytest.raises(NotReadyError):
                await watch.check()
    assert lifetime.exit_code is ExitCode.CLUSTER_CHANGED
    changed = next(line for line in lines if line["event"] == "kafka.cluster_changed")
    assert (changed["previous_cluster_id"], changed["cluster_id"]) == (before, own_kafka.cluster_id)


async def test_a_broker_that_went_silent_makes_the_process_not_ready(own_kafka: KafkaServer) -> None:
    clock = HandClock()
    async with open_cluster_watch(own_kafka.bootstrap, clock=clock) as watch:
        own_kafka.kill()
        await watch.check()
        clock.seconds += STALE_SECONDS + 0.1
        with pytest.raises(NotReadyError, match="does not answer"):
            await watch.check()


async def test_a_broker_that_stays_keeps_the_process(own_kafka: KafkaServer) -> None:
    clock = HandClock()
    async with open_cluster_watch(own_kafka.bootstrap, clock=clock) as watch:
        clock.seconds += STALE_SECONDS + 0.1
        async with asyncio.timeout(10):
            while not await answers(watch.check):  # noqa: ASYNC110 -- what is asked is the fact
                await asyncio.sleep(0.02)
        assert not watch.has_changed


async def answers(check: object) -> bool:
    assert callable(check)
    try:
        await check()
    except NotReadyError:
        return False
    return True
