"""A broker that lost its log is another cluster, and the process must notice."""

import asyncio

import pytest

from services.devstack import logbook as devstack_logbook
from services.runtime.health import NotReadyError
from services.runtime.kafka import open_cluster_watch, stop_on_cluster_change
from services.runtime.kafka.cluster import STALE_SECONDS
from services.runtime.lifecycle import ExitCode, Lifetime, background
from services.runtime.logs import capture_logs
from tests.integration.runtime.conftest import HandClock
from tests.support.servers import Broker
from tests.support.waiting import SECONDS


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_another_cluster_behind_the_address_ends_the_process_with_75(broker: Broker) -> None:
    lifetime, before = Lifetime(), broker.cluster_id
    with capture_logs(devstack_logbook.CATALOGUE) as lines:
        async with open_cluster_watch(broker.bootstrap) as watch:
            assert watch.cluster_id == before
            await watch.check()
            await broker.restart()
            async with (
                background(lifetime, stop_on_cluster_change(watch, lifetime)),
                asyncio.timeout(SECONDS),
            ):
                await lifetime.wait()
            with pytest.raises(NotReadyError):
                await watch.check()
    assert lifetime.exit_code is ExitCode.CLUSTER_CHANGED
    changed = next(line for line in lines if line["event"] == "kafka.cluster_changed")
    assert (changed["previous_cluster_id"], changed["cluster_id"]) == (before, broker.cluster_id)


async def test_a_broker_that_went_silent_makes_the_process_not_ready(
    broker: Broker, clock: HandClock
) -> None:
    async with open_cluster_watch(broker.bootstrap, clock=clock) as watch:
        await broker.stop()
        await watch.check()
        clock.seconds += STALE_SECONDS + 0.1
        with pytest.raises(NotReadyError, match="does not answer"):
            await watch.check()


async def test_a_broker_that_stays_keeps_the_process(broker: Broker, clock: HandClock) -> None:
    async with open_cluster_watch(broker.bootstrap, clock=clock) as watch:
        clock.seconds += STALE_SECONDS + 0.1
        async with asyncio.timeout(SECONDS):
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
