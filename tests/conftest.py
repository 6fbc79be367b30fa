"""What holds for every test: its folder is its marker, it runs on the broker it is about, and it ends."""

import asyncio
import functools
import gc
import inspect
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka_choice import CHOSEN, ON_APACHE
from tests.support.memory import keep_files_in_memory
from tests.support.schedule import Schedule

# No test speaks to a server that a public authority has certified, and to read them all costs 25 ms of CPU
# for each TLS context of each process that a test starts. Often it is set already, to the file that has them.
os.environ["SSL_CERT_FILE"] = os.devnull
keep_files_in_memory()

TESTS = Path(__file__).parent

ENDS_BEFORE = 0.8
"""Of a test's patience: the alarm is for what does not end by itself."""
OTHER_BROKER = "embedded_only" if ON_APACHE else "apache_only"
_LEFT_OUT = "left_out"

_left_out: Counter[str] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: to look for garbage in it meanwhile takes a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # Before `-m` chooses, or there would be nothing to choose by.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])
    _left_out.update(reason for item in items if (reason := _why_left_out(item)) is not None)
    config.hook.pytest_deselected(items=[item for item in items if _why_left_out(item) is not None])
    items[:] = [item for item in items if _why_left_out(item) is None]
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _ending(item.obj, seconds=ENDS_BEFORE * _find_patience(item))


def _ending(test: Callable[..., Awaitable[None]], *, seconds: float) -> Callable[..., Awaitable[None]]:
    """The test, cancelled when it takes too long: what it opened is closed, and the tests after it go on.

    The alarm of pytest-timeout is raised in whatever runs just then. If that is a task of the service under
    test, the task ends, and the test waits on for ever.
    """

    @functools.wraps(test)
    async def ends(*args: object, **kwargs: object) -> None:
        async with asyncio.timeout(seconds):
            await test(*args, **kwargs)

    return ends


def _find_patience(item: pytest.Item) -> float:
    """Seconds: what its marker says, or what holds for all."""
    marker = item.get_closest_marker("timeout")
    asked: object = item.config.getoption("timeout") or item.config.getini("timeout")
    return float(marker.args[0] if marker is not None else str(asked))


def _why_left_out(item: pytest.Item) -> str | None:
    """The reason of the marker that says the test is about the other kind of broker."""
    marker = item.get_closest_marker(OTHER_BROKER)
    return None if marker is None else str(marker.args[0])


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    # Of a worker: what it left out goes to the process that writes the summary. All leave out the same.
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_LEFT_OUT] = dict(_left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 -- xdist has no types
    _left_out.update(Counter(getattr(node, "workeroutput", {}).get(_LEFT_OUT, {})) - _left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 -- xdist has no types
    """For `--dist=loadfile`, as `make test` has it."""
    return Schedule(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """No test is left out without a word."""
    if _left_out:
        terminalreporter.section(f"Left out with {CHOSEN.value} Kafka")
        for reason, count in sorted(_left_out.items()):
            terminalreporter.line(f"{count} because {reason}")
