"""Stacks that several modules share: a start costs seconds."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.task_force import TaskForce, open_task_force


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def task_force() -> AsyncIterator[TaskForce]:
    """For tests that harm nobody: each reports cases of its own."""
    async with open_task_force() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def harsh_task_force() -> AsyncIterator[TaskForce]:
    """For tests that kill and freeze processes, and leave it ready."""
    async with open_task_force() as running:
        yield running
