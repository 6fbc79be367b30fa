"""One more process of a service, beside the one that the stack keeps running."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import psutil

from tests.support.ports import free_port
from tests.support.task_force import TaskForce
from tests.support.waiting import SECONDS, eventually


@dataclass
class SecondService:
    """It writes its log to a file."""

    process: asyncio.subprocess.Process
    url: str
    log: Path

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Its process goes on to exist, and does nothing within the block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [orjson.loads(line) for line in self.log.read_bytes().splitlines()]
        return [line for line in lines if line["event"] == event]


@asynccontextmanager
async def second_service(
    task_force: TaskForce, name: str, *, member: str, database_port: int | None = None
) -> AsyncIterator[SecondService]:
    """Ready within the block; with the environment of the first one, but for its port and its member id."""
    port = free_port()
    environment = _environment_of(task_force.stack.pids[name]) | {
        "TOCSIN_PORT": str(port),
        "TOCSIN_MEMBER": member,
    }
    if database_port is not None:
        url = environment["TOCSIN_DATABASE_URL"]
        head, _, tail = url.rpartition(":")
        environment["TOCSIN_DATABASE_URL"] = f"{head}:{database_port}/{tail.partition('/')[2]}"
    log = task_force.folder / f"{name}-{port}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{name}", env=environment, stdout=file, stderr=file
        )
    service = SecondService(process, f"http://127.0.0.1:{port}", log)
    try:
        await eventually(
            lambda: _is_ready(task_force, service), what=f"the second {name} is ready (see {log})"
        )
        yield service
    finally:
        await _end(process)


async def _is_ready(task_force: TaskForce, service: SecondService) -> bool:
    assert service.process.returncode is None, service.log.read_text()
    return await task_force.readiness(service.url) == HTTPStatus.OK


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment_of(pid: int) -> dict[str, str]:
    environment: dict[str, str] = psutil.Process(pid).environ()
    return environment
