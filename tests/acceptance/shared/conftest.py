"""One stack for all of this folder, which one worker runs (tests.support.schedule): a start costs seconds.

At rest a stack takes a seventh of a core, so it ends with the folder's last test and not with the session.
"""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.task_force import TaskForce, open_task_force

QUICK_PULSE = {"TOCSIN_NOTIFY_PULSE": "PT0.5S", "TOCSIN_NOTIFY_PULSE_PATIENCE": "PT5S"}


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def task_force() -> AsyncIterator[TaskForce]:
    """For tests that harm nobody: each reports cases of its own. Its pulse is quick."""
    async with open_task_force(environment=QUICK_PULSE) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def harsh_task_force(task_force: TaskForce) -> AsyncIterator[TaskForce]:
    """For tests that kill and freeze processes. The next test finds it ready."""
    yield task_force
    await task_force.ready()
