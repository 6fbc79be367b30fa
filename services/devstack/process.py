"""One program kept running: started, watched, started again when it dies, stopped in order."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from services.devstack.account import Account
from services.devstack.errors import StackError, StartError
from services.devstack.orphans import OrphanGuard
from services.devstack.restarts import Ended, Restart, next_restart
from services.runtime.clock import Clock
from services.runtime.lifecycle import end_tasks
from services.runtime.logs import get_logger

log = get_logger()

_HURRIED_GRACE = timedelta(milliseconds=500)
_STANDARD_ERROR = 2


@dataclass(frozen=True, slots=True)
class StopStep:
    """One request to end, and how long to wait before the next, harsher one."""

    signal: signal.Signals
    grace: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a program once."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None = None
    output: Path | None = None
    """Where it writes what it has to say; None is our own standard error."""
    account: Account | None = None
    standard_input: int = asyncio.subprocess.DEVNULL


class Program(Protocol):
    """What a supervised process runs."""

    @property
    def name(self) -> str: ...

    @property
    def stop_steps(self) -> tuple[StopStep, ...]:
        """Tried in order; the last one must be a SIGKILL."""
        ...

    @property
    def orphan_signal(self) -> signal.Signals:
        """What ends it when its supervisor is no more."""
        ...

    def prepare(self) -> Launch:
        """Asked anew before every start."""
        ...

    async def settle(self) -> None:
        """Returns once the process just started is usable; raises StackError when it never will be."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every supervised process shares."""

    guard: OrphanGuard
    clock: Clock
    on_start: Callable[[str, int], None]
    """Told the name and the pid of every process that was started."""


class SupervisedProcess:
    """Keeps one program running between `start` and `stop`."""

    def __init__(self, program: Program, surroundings: Surroundings) -> None:
        self._program = program
        self._around = surroundings
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the running process, or of the last one until it is replaced."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Returns once the program is usable. Raises StartError if its first life ends before that."""
        self._settled.clear()
        self._keeper = asyncio.create_task(self._keep_alive(), name=f"keep {self._program.name}")
        settled = asyncio.create_task(self._settled.wait())
        try:
            await asyncio.wait({self._keeper, settled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
        if self._keeper.done():
            self._keeper.result()

    async def watch(self) -> None:
        """Returns never while the program is being kept alive; raises what broke that off."""
        if self._keeper is not None:
            await asyncio.shield(self._keeper)

    async def stop(self, *, hurry: asyncio.Event | None = None) -> None:
        """Ends the program, step by step harsher; *hurry* shortens every wait. Safe to call at any time."""
        if self._keeper is not None:
            await end_tasks(self._keeper)
        process = self._process
        if process is None:
            return
        for step in self._program.stop_steps:
            if process.returncode is not None or await self._ask_to_end(process, step, hurry):
                break
        code = await process.wait()
        self._around.guard.forget(process.pid)
        log.info("process.stopped", process=self._program.name, exit_code=code)

    async def restart(self) -> None:
        """Stops the program and starts it again; returns once it is usable."""
        await self.stop()
        await self.start()

    async def _keep_alive(self) -> None:
        failures, ended = 0, await self._live()
        if not self._settled.is_set():
            raise StartError(
                f"{self._program.name} ended before it was usable (exit code {ended.exit_code})."
            )
        while True:
            restart = next_restart(ended, failure_count=failures)
            failures = restart.failure_count
            self._report(ended, restart)
            await asyncio.sleep(restart.pause.total_seconds())
            ended = await self._live()

    async def _live(self) -> Ended:
        """One life of the program, from start to end."""
        began = self._around.clock.monotonic()
        try:
            self._process = await spawn(self._program, self._around.guard)
        except OSError as error:
            log.error("process.not_startable", process=self._program.name, error_type=type(error).__name__)
            return Ended(exit_code=os.EX_UNAVAILABLE, lived=timedelta(0))
        self._around.on_start(self._program.name, self._process.pid)
        log.info("process.started", process=self._program.name, pid=self._process.pid)
        exit_code = await self._settle_and_wait(self._process)
        self._around.guard.forget(self._process.pid)
        lived = self._around.clock.monotonic() - began
        return Ended(exit_code=exit_code, lived=timedelta(seconds=lived))

    async def _settle_and_wait(self, process: asyncio.subprocess.Process) -> int:
        settling = asyncio.create_task(self._settle(process))
        try:
            return await process.wait()
        finally:
            await end_tasks(settling)

    async def _settle(self, process: asyncio.subprocess.Process) -> None:
        try:
            await self._program.settle()
        except StackError as error:
            log.error("process.not_usable", process=self._program.name, error_type=type(error).__name__)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        else:
            self._settled.set()

    async def _ask_to_end(
        self, process: asyncio.subprocess.Process, step: StopStep, hurry: asyncio.Event | None
    ) -> bool:
        """True when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(step.signal)
        if await _ends_within(process, step.grace, hurry):
            return True
        log.warning("process.slow_to_stop", process=self._program.name, signal=step.signal.name)
        return False

    def _report(self, ended: Ended, restart: Restart) -> None:
        facts = {"process": self._program.name, "exit_code": ended.exit_code}
        pause_ms = int(restart.pause / timedelta(milliseconds=1))
        if restart.asked_for:
            log.info("process.asked_for_restart", **facts)
        elif restart.looping:
            log.error("process.keeps_dying", **facts, failure_count=restart.failure_count, pause_ms=pause_ms)
        else:
            log.warning("process.died", **facts, failure_count=restart.failure_count, pause_ms=pause_ms)


async def spawn(program: Program, guard: OrphanGuard) -> asyncio.subprocess.Process:
    """Starts the program in a session of its own, so that a Ctrl-C reaches the supervisor alone."""
    launch = program.prepare()
    account = launch.account
    with _open_output(launch.output) as output:
        process = await asyncio.create_subprocess_exec(
            *launch.command,
            stdin=launch.standard_input,
            stdout=output,
            stderr=output,
            env=dict(launch.environment),
            cwd=launch.directory,
            start_new_session=True,
            preexec_fn=guard.before_exec(program.orphan_signal),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    guard.watch(process.pid, program.orphan_signal)
    return process


@contextlib.contextmanager
def _open_output(path: Path | None) -> Iterator[int]:
    if path is None:
        yield _STANDARD_ERROR
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _ends_within(
    process: asyncio.subprocess.Process, grace: timedelta, hurry: asyncio.Event | None
) -> bool:
    """Waits for the end, the grace, or half a second after *hurry* is set, whichever is first."""
    ending = asyncio.create_task(process.wait())
    hurrying = asyncio.create_task((hurry or asyncio.Event()).wait())
    try:
        await asyncio.wait(
            {ending, hurrying}, timeout=grace.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        if hurrying.done():
            await asyncio.wait({ending}, timeout=min(grace, _HURRIED_GRACE).total_seconds())
        return ending.done()
    finally:
        ending.cancel()
        hurrying.cancel()
