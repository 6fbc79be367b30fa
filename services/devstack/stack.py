"""The whole stack: what it is made of, in which order it starts, and in which it stops."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass

from schemas.directory import DirectoryFile
from services.devstack.database import ADMIN
from services.devstack.directory import settle_directory
from services.devstack.gate import Gate
from services.devstack.keys import Keys, with_directory, write_keys
from services.devstack.members import INTAKE, NOTIFY, ROUTING, SERVICES, ServiceContext
from services.devstack.migrations import install_shifted_clock, migrate_all
from services.devstack.ports import LOOPBACK
from services.devstack.postgres import EmbeddedPostgres
from services.devstack.process import SupervisedProcess
from services.devstack.readiness import apply_directory, find_applied_version, wait_until_ready
from services.devstack.state import Board, StackState
from services.runtime.clock import Clock
from services.runtime.lifecycle import end_tasks
from services.runtime.logs import get_logger

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a stack is made of, built but not started."""

    context: ServiceContext
    board: Board
    postgres: EmbeddedPostgres
    gate: Gate
    services: dict[str, SupervisedProcess]
    mail: SupervisedProcess | None
    keys: Keys
    asked_for: DirectoryFile | None
    """The directory to apply whatever is in force; None is the sample, where there is none yet."""
    clock: Clock
    is_shifted: bool = False
    """Whether the services are told to use a clock that a test moves."""

    @property
    def members(self) -> list[SupervisedProcess]:
        """Our own processes, which need the broker and the database."""
        return [*self.services.values(), *([self.mail] if self.mail is not None else [])]


class Stack:
    """Started once, stopped once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def start(self) -> StackState:
        """Returns when an event posted then would be delivered. Raises StackError."""
        parts, began = self._parts, self._parts.clock.monotonic()
        # What an earlier stack said here: nobody may take it for ours.
        parts.board.wipe()
        await _together(
            parts.context.broker.start(),
            self._start_database(),
            *(process.start() for process in parts.members),
        )
        version = await self._settle_directory()
        await wait_until_ready(self._urls(), version=version, clock=parts.clock)
        state = self._describe()
        parts.board.announce(state)
        seconds = round(parts.clock.monotonic() - began, 2)
        log.info("stack.ready", seconds=seconds, data_dir=str(parts.context.directory.root))
        return state

    async def stop(self, *, hurry: asyncio.Event) -> None:
        """Services first, so that they can finish with Kafka and PostgreSQL still there. Safe at any time."""
        parts, began = self._parts, self._parts.clock.monotonic()
        await asyncio.gather(*(process.stop(hurry=hurry) for process in parts.services.values()))
        # Notify sends to the last what is due.
        if parts.mail is not None:
            await parts.mail.stop(hurry=hurry)
        await parts.context.broker.stop(hurry=hurry)
        await parts.postgres.stop(hurry=hurry)
        parts.gate.open()
        parts.board.wipe()
        log.info("stack.stopped", seconds=round(parts.clock.monotonic() - began, 2))

    async def watch(self) -> None:
        """Never returns while every process is being looked after; raises what went wrong with that."""
        parts = self._parts
        inner = (*parts.context.broker.processes.values(), parts.postgres.process)
        await asyncio.gather(*(process.watch() for process in (*inner, *parts.members)))

    async def _start_database(self) -> None:
        parts = self._parts
        await parts.postgres.start()
        began = parts.clock.monotonic()
        await migrate_all(parts.postgres.url(ADMIN))
        if parts.is_shifted:
            await install_shifted_clock(parts.postgres.url(ADMIN))
        log.info("migrations.applied", seconds=round(parts.clock.monotonic() - began, 2))
        parts.gate.open()

    async def _settle_directory(self) -> int:
        """The version that the services are to use: kept from an earlier start, or applied now."""
        parts = self._parts
        routing, operator = self._urls()[ROUTING], parts.keys.operator
        if parts.asked_for is None:
            kept = await find_applied_version(routing, operator_key=operator, clock=parts.clock)
            if kept is not None:
                log.info("directory.kept", version=kept)
                return kept
        directory, keys = parts.asked_for, parts.keys
        if directory is None:
            directory, keys = settle_directory(None, keys)
        # New keys are kept before they count, and old ones until they no longer do.
        write_keys(parts.context.directory.keys_file, keys)
        version = await apply_directory(routing, directory, operator_key=operator, clock=parts.clock)
        write_keys(parts.context.directory.keys_file, with_directory(keys, directory))
        return version

    def _urls(self) -> dict[str, str]:
        return {name: f"http://{LOOPBACK}:{self._parts.context.ports[name]}" for name in SERVICES}

    def _describe(self) -> StackState:
        parts, urls = self._parts, self._urls()
        return StackState(
            durability=parts.context.broker.durability,
            intake=urls[INTAKE],
            notify=urls[NOTIFY],
            routing=urls[ROUTING],
            kafka=parts.context.broker.bootstrap,
            postgres=parts.postgres.url(ADMIN),
            smtp=parts.context.smtp,
            data_dir=parts.context.directory.root,
            pids=parts.board.pids,
        )


async def _together(*works: Coroutine[object, object, None]) -> None:
    """Runs all of them; when one raises, the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end_tasks(*tasks)
