"""Stacks that several modules share: a start costs seconds."""

from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

from tests.support.task_force import TaskForce, open_task_force

_LOG_LINES = 300


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def task_force() -> AsyncIterator[TaskForce]:
    """For tests that harm nobody: each reports cases of its own."""
    async with open_task_force() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def harsh_task_force() -> AsyncIterator[TaskForce]:
    """For tests that kill and freeze processes, and leave it ready. Its pulse is quick."""
    quick = {"TOCSIN_NOTIFY_PULSE": "PT0.5S", "TOCSIN_NOTIFY_PULSE_PATIENCE": "PT5S"}
    async with open_task_force(environment=quick) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the stack said lately beside a failure, which is seldom the test's own."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for name, fixture in item.funcargs.items():
            if isinstance(fixture, TaskForce):
                lines = fixture.log_lines()[-_LOG_LINES:]
                report.sections.append((f"Log of {name} during {call.when}", "\n".join(lines)))
    return report
