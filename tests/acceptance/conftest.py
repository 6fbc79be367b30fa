"""What a stack said is shown beside a failure."""

from collections.abc import Generator

import pytest

from tests.support.task_force import TaskForce

_LOG_LINES = 300


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the stack said lately beside a failure, which is seldom the test's own."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        # One may have two names.
        stacks = {id(each): each for each in item.funcargs.values() if isinstance(each, TaskForce)}
        for stack in stacks.values():
            lines = stack.log_lines()[-_LOG_LINES:]
            report.sections.append((f"Log of the stack during {call.when}", "\n".join(lines)))
    return report
