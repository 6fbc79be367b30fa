"""`tocsin up` from the first signal handler to the last process: start, announce, keep running, stop."""

import asyncio
import os
import signal
from collections.abc import Callable

from services.devstack.build import Programs, build_stack, find_programs
from services.devstack.datadir import DataDirectory, open_data_directory
from services.devstack.options import StackOptions
from services.devstack.stack import Stack
from services.devstack.state import StackState, remove_pointer, write_pointer
from services.runtime.logs import get_logger

log = get_logger()

Announce = Callable[[StackState], None]


def run_stack(options: StackOptions, *, announce: Announce) -> None:
    """Runs a stack until SIGINT or SIGTERM. Raises StackError when it cannot start."""
    programs = find_programs(options)
    with open_data_directory(options.data_dir) as directory:
        log.info("stack.starting", data_dir=str(directory.root), pid=os.getpid())
        asyncio.run(_supervise(directory, options, programs, announce))


class _Signals:
    """The first signal asks for a stop, the second for haste."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._take, number)

    def _take(self, number: signal.Signals) -> None:
        if self.stop.is_set():
            log.warning("stack.hastened", reason=number.name)
            self.hurry.set()
        else:
            log.info("stack.stopping", reason=number.name)
            self.stop.set()


async def _supervise(
    directory: DataDirectory, options: StackOptions, programs: Programs, announce: Announce
) -> None:
    signals = _Signals()
    stack = build_stack(directory, options, programs)
    pid = os.getpid()
    running = asyncio.create_task(_run(stack, directory, announce, pid=pid))
    stopping = asyncio.create_task(signals.stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        running.cancel()
        stopping.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)
        remove_pointer(pid=pid)
        await stack.stop(hurry=signals.hurry)


async def _run(stack: Stack, directory: DataDirectory, announce: Announce, *, pid: int) -> None:
    state = await stack.start()
    write_pointer(directory, pid=pid)
    announce(state)
    await stack.watch()
