"""Two stacks for all of this folder, which one worker runs (tests.support.schedule): a start costs seconds.

At rest a stack takes a seventh of a core, so they end with the folder's last test and not with the session.
"""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.task_force import TaskForce, open_task_force


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def task_force() -> AsyncIterator[TaskForce]:
    """For tests that harm nobody: each reports cases of its own."""
    async with open_task_force() as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def harsh_task_force() -> AsyncIterator[TaskForce]:
    """For tests that kill and freeze processes, and leave it ready. Its pulse is quick."""
    quick = {"TOCSIN_NOTIFY_PULSE": "PT0.5S", "TOCSIN_NOTIFY_PULSE_PATIENCE": "PT5S"}
    async with open_task_force(environment=quick) as running:
        yield running
