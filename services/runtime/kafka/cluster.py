"""Noticing that the cluster behind the address is another one now (a broker that lost its log)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from services.runtime.clock import Clock, SystemClock
from services.runtime.health import NotReadyError
from services.runtime.kafka.admin import open_admin
from services.runtime.kafka.waiting import KAFKA_ERRORS
from services.runtime.kafka_access import KafkaAddress
from services.runtime.lifecycle import ExitCode, Lifetime, end_tasks
from services.runtime.logs import get_logger

log = get_logger()

POLL_SECONDS: Final = 1.0
STALE_SECONDS: Final = 3.0


class ClusterWatch:
    """Asks for the cluster id every second; remembers the one this process started with."""

    def __init__(self, address: KafkaAddress, cluster_id: str, *, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._answered_at = clock.monotonic()
        self._changed = asyncio.Event()
        self.cluster_id = cluster_id
        self.current_cluster_id = cluster_id

    @property
    def has_changed(self) -> bool:
        return self._changed.is_set()

    async def wait_changed(self) -> str:
        """Returns the new cluster id once it is another one."""
        await self._changed.wait()
        return self.current_cluster_id

    async def check(self) -> None:
        """For readiness: Kafka answered lately, and is still the cluster we started with."""
        if self.has_changed:
            raise NotReadyError("the cluster changed")
        if self._clock.monotonic() - self._answered_at > STALE_SECONDS:
            raise NotReadyError("Kafka does not answer")

    async def poll_for_ever(self) -> None:
        while not self.has_changed:
            # A client that met trouble may hold a dead address: each round of trouble takes a new one.
            with suppress(*KAFKA_ERRORS):
                await self._poll_until_trouble()

    async def _poll_until_trouble(self) -> None:
        async with open_admin(self._address) as admin:
            while not self.has_changed:
                self._observe(await admin.get_cluster_id())
                await asyncio.sleep(POLL_SECONDS)

    def _observe(self, cluster_id: str) -> None:
        self._answered_at = self._clock.monotonic()
        if cluster_id != self.cluster_id:
            log.warning("kafka.cluster_changed", cluster_id=cluster_id, previous_cluster_id=self.cluster_id)
            self.current_cluster_id = cluster_id
            self._changed.set()


@asynccontextmanager
async def open_cluster_watch(
    address: KafkaAddress, *, clock: Clock | None = None
) -> AsyncIterator[ClusterWatch]:
    """Waits for the broker, then watches its identity within the block."""
    async with open_admin(address) as admin:
        cluster_id = await admin.get_cluster_id()
    watch = ClusterWatch(address, cluster_id, clock=clock or SystemClock())
    polling = asyncio.create_task(watch.poll_for_ever())
    try:
        yield watch
    finally:
        await end_tasks(polling)


async def stop_on_cluster_change(watch: ClusterWatch, lifetime: Lifetime) -> None:
    """For ``background``: ends the process with exit code 75 when the cluster is another one."""
    await watch.wait_changed()
    lifetime.stop(reason="cluster_changed", exit_code=ExitCode.CLUSTER_CHANGED)
