"""A supervised process: real ones, that die in every way."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.devstack.errors import StartError
from services.devstack.logbook import CATALOGUE
from services.devstack.orphans import build_guard
from services.devstack.process import Launch, Program, StopStep, SupervisedProcess, Surroundings
from services.runtime.clock import SystemClock
from services.runtime.logs import capture_logs
from tests.support.processes import FOREVER, Script, SettlingScript, wait_for_word, wait_until_gone
from tests.support.waiting import SECONDS

LogLines = list[dict[str, Any]]


@pytest.fixture
def log() -> Iterator[LogLines]:
    with capture_logs(CATALOGUE) as lines:
        yield lines


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


@asynccontextmanager
async def supervised(program: Program, pids: list[int] | None = None) -> AsyncIterator[SupervisedProcess]:
    started = pids if pids is not None else []
    around = Surroundings(
        guard=build_guard(), clock=SystemClock(), on_start=lambda _name, pid: started.append(pid)
    )
    process = SupervisedProcess(program, around)
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


def pid_of(process: SupervisedProcess) -> int:
    assert process.pid is not None
    return process.pid


async def test_a_killed_process_is_started_again_and_its_pid_told(diary: Path, log: LogLines) -> None:
    pids: list[int] = []
    script = Script(text=FOREVER, diary=diary)
    async with supervised(script, pids) as process:
        await wait_for_word(script, "begun")
        os.kill(pid_of(process), signal.SIGKILL)
        await wait_for_word(script, "begun", times=2)
        assert pids == [pids[0], pid_of(process)]
        assert pids[0] != pids[1]
    died = [line for line in log if line["event"] == "process.died"]
    assert [(line["exit_code"], line["pause_ms"]) for line in died] == [(-9, 0)]


async def test_a_process_that_keeps_dying_is_slowed_down_and_called_out(diary: Path, log: LogLines) -> None:
    script = Script(text="sys.exit(3)", diary=diary)
    async with supervised(script):
        await wait_for_word(script, "begun", times=5)
    ends = [line for line in log if line["event"] in {"process.died", "process.keeps_dying"}]
    assert [line["level"] for line in ends[:4]] == ["warning", "warning", "error", "error"]
    assert [line["pause_ms"] for line in ends[:4]] == [0, 100, 200, 400]


async def test_a_process_that_asks_for_it_is_started_again_without_alarm(diary: Path, log: LogLines) -> None:
    # Longer than the second after which a process counts as having got to work.
    script = Script(text="time.sleep(1.1)\nsys.exit(75)", diary=diary)
    async with supervised(script):
        await wait_for_word(script, "begun", times=2)
    assert [line["level"] for line in log if line["event"] == "process.asked_for_restart"] == ["info"]
    assert not [line for line in log if line["level"] in {"warning", "error"}]


async def test_a_stop_lets_the_process_finish(diary: Path, log: LogLines) -> None:
    script = Script(
        text="signal.signal(signal.SIGTERM, lambda *_: (write('finished'), sys.exit(0)))\nwrite('listens')"
        + FOREVER,
        diary=diary,
    )
    async with supervised(script):
        await wait_for_word(script, "listens")
    assert script.words()[-1] == "finished"
    assert [line["exit_code"] for line in log if line["event"] == "process.stopped"] == [0]


async def test_whoever_does_not_listen_is_killed(diary: Path, log: LogLines) -> None:
    script = SettlingScript(
        text="signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwrite('deaf')" + FOREVER,
        diary=diary,
        until="deaf",
        stop_steps=(
            StopStep(signal.SIGTERM, timedelta(milliseconds=50)),
            StopStep(signal.SIGKILL, timedelta(seconds=10)),
        ),
    )
    async with supervised(script) as process:
        pid = pid_of(process)
    wait_until_gone(pid)
    assert [line["signal"] for line in log if line["event"] == "process.slow_to_stop"] == ["SIGTERM"]


async def test_haste_does_not_wait_for_the_grace(diary: Path) -> None:
    patient = (StopStep(signal.SIGTERM, timedelta(hours=1)), StopStep(signal.SIGKILL, timedelta(seconds=10)))
    script = SettlingScript(
        text="signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwrite('deaf')" + FOREVER,
        diary=diary,
        until="deaf",
        stop_steps=patient,
    )
    hurry = asyncio.Event()
    async with supervised(script) as process:
        stopping = asyncio.create_task(process.stop(hurry=hurry))
        hurry.set()
        async with asyncio.timeout(SECONDS):
            await stopping


async def test_a_process_that_dies_before_it_is_usable_fails_the_start(diary: Path, log: LogLines) -> None:
    with pytest.raises(StartError, match=r"stand-in ended before it was usable \(exit code 4\)"):
        async with supervised(SettlingScript(text="sys.exit(4)", diary=diary, until="never")):
            raise AssertionError("started")
    assert "process.died" not in {line["event"] for line in log}


async def test_a_program_that_is_not_there_fails_the_start(diary: Path, log: LogLines) -> None:
    class Missing(SettlingScript):
        def prepare(self) -> Launch:
            return Launch(command=("/nonexistent/program",), environment={})

    with pytest.raises(StartError):
        async with supervised(Missing(text="", diary=diary, until="never")):
            raise AssertionError("started")
    assert [line["error_type"] for line in log] == ["FileNotFoundError"]


async def test_a_stop_during_a_pause_ends_it(diary: Path) -> None:
    script = Script(text="sys.exit(3)", diary=diary)
    async with supervised(script):
        await wait_for_word(script, "begun", times=3)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "keep stand-in"]


async def test_a_ctrl_c_at_the_terminal_does_not_reach_the_process_itself(diary: Path) -> None:
    script = Script(text="write(str(os.getsid(0) == os.getpid()))" + FOREVER, diary=diary)
    async with supervised(script):
        await wait_for_word(script, "True")
