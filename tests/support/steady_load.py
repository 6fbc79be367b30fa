"""Reports that keep coming while something goes wrong, and the proof that each arrived."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from tests.support.ledger import read_ledger
from tests.support.story import ADVOCATE, CaseEvent, adult_found_by_police
from tests.support.task_force import TaskForce
from tests.support.waiting import eventually

PAUSE_SECONDS = 0.02


class SteadyLoad:
    """A member system that reports one case after the other, and insists until each is accepted."""

    def __init__(self, task_force: TaskForce) -> None:
        self.accepted: list[CaseEvent] = []
        self.refused_count = 0
        self._task_force = task_force

    async def run(self) -> None:
        while True:
            event = adult_found_by_police(name="steady")
            self.refused_count += await self._task_force.insist(event)
            self.accepted.append(event)
            await asyncio.sleep(PAUSE_SECONDS)

    async def go_on(self, count: int) -> None:
        """Returns when so many more were accepted."""
        wanted = len(self.accepted) + count

        async def find() -> bool:
            return len(self.accepted) >= wanted

        await eventually(find, what=f"{count} more events are accepted")


@asynccontextmanager
async def steady_load(task_force: TaskForce) -> AsyncIterator[SteadyLoad]:
    load = SteadyLoad(task_force)
    running = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        running.cancel()
        # What ended the load before its time is what went wrong.
        with suppress(asyncio.CancelledError):
            await running


async def all_arrive(task_force: TaskForce, events: Sequence[CaseEvent]) -> None:
    """Each event has one decision; its alert came under the id of the ledger, by webhook and by e-mail."""
    for event in events:
        await task_force.hears(ADVOCATE, event)
    ledger = await read_ledger(task_force, events)
    for event in events:
        ids = ledger[event["id"]]
        assert set(ids) == {ADVOCATE}
        webhook_ids = {arrival.webhook_id for arrival in task_force.heard(ADVOCATE, event)}
        assert webhook_ids == {f"{ids[ADVOCATE]}_1"}
        await task_force.is_written_to(ids[ADVOCATE])
