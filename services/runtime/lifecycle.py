"""A process from its first line to its exit code: uvloop, signals, drain, then stop.

``main`` opens everything in one ``async with`` and ends it with ``await lifetime.wait()``; leaving it drains.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any, Final, TypeAlias, TypeVar

import uvloop

from services.runtime.logs import get_logger

log = get_logger()

DRAIN_SECONDS: Final = 20.0
ASK_AGAIN_SECONDS: Final = 1.0
"""When a task that was asked to end is asked once more."""

_COLLECT_AFTER: Final = 50_000
"""Objects made and not freed; the default is 700."""


class ExitCode(IntEnum):
    """Why the process ended, as its supervisor sees it."""

    CLEAN = 0
    FAULT = 1
    CLUSTER_CHANGED = 75
    """EX_TEMPFAIL: start me again at once."""


class Lifetime:
    """Whether and why this process is to stop; the first reason decides the exit code, but a fault shows."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self.exit_code = ExitCode.CLEAN

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self, *, reason: str, exit_code: ExitCode = ExitCode.CLEAN) -> None:
        """Asks for an orderly end; reason is a word for the log."""
        if not self.is_stopping:
            log.info("service.stopping", reason=reason)
            self.exit_code = exit_code
            self._stopping.set()

    def fail(self, error: BaseException) -> None:
        """Records a fault of ours and asks for the end, with exit code 1."""
        log.error("service.failed", exc_info=error)
        self.stop(reason="fault", exit_code=ExitCode.FAULT)
        self.exit_code = ExitCode.FAULT

    async def wait(self) -> None:
        """Returns when somebody asked for the end."""
        await self._stopping.wait()


T = TypeVar("T")
Main: TypeAlias = Callable[[Lifetime], Coroutine[Any, Any, None]]


def run(main: Main, *, drain_seconds: float = DRAIN_SECONDS) -> int:
    """Runs a process to its end and returns its exit code (0 clean, 75 cluster changed, 1 fault)."""
    _calm_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        exit_code = runner.run(_supervise(main, drain_seconds))
    log.info("service.stopped", exit_code=int(exit_code))
    return int(exit_code)


def _calm_collector() -> None:
    """Walks the modules, models and rules loaded by now once, and then never again.

    A batch makes tens of thousands of objects that reference counting frees. At the default threshold the
    collector walked them dozens of times a batch: opening and parsing 1,000 events cost 2.5 times as much.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


@asynccontextmanager
async def background(lifetime: Lifetime, *works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs the coroutines beside the block; one that raises ends the process, all end with the block."""
    tasks = [asyncio.create_task(_guard(lifetime, work)) for work in works]
    try:
        yield
    finally:
        await end_tasks(*tasks)


async def end_tasks(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels them until all have ended, and passes over what they raise.

    Once may not be enough: aiokafka's clients swallow a cancellation that meets them while they are closed.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=ASK_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


async def unless_stopped(lifetime: Lifetime, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work returned; None if the process is to stop first, and then the work is cancelled.

    For opening what may not be there yet: a signal must not wait for PostgreSQL or Kafka.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(lifetime.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        await end_tasks(working)
        return None
    finally:
        stopping.cancel()


async def _guard(lifetime: Lifetime, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 -- the edge of a loop: recorded, and the process ends
        lifetime.fail(error)


async def _supervise(main: Main, drain_seconds: float) -> ExitCode:
    lifetime = Lifetime()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_loop_error)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _on_signal, lifetime, number)
    working = asyncio.create_task(_guard(lifetime, main(lifetime)))
    stopping = asyncio.create_task(lifetime.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    _, unfinished = await asyncio.wait({working}, timeout=drain_seconds)
    if unfinished:
        log.error("service.drain_cut_short", seconds=drain_seconds)
        working.cancel()
        await asyncio.wait({working}, timeout=1)
        return ExitCode.FAULT
    return lifetime.exit_code


def _on_signal(lifetime: Lifetime, number: signal.Signals) -> None:
    lifetime.stop(reason=number.name)


def _on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # The context's message may hold the repr of data.
    log.error("task.failed", exc_info=context.get("exception"))
