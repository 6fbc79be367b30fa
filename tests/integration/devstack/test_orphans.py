"""No child outlives its supervisor, whatever ends that one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.devstack.orphans import WatchdogGuard
from tests.support.processes import wait_until_gone
from tests.support.stack import ROOT

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from services.devstack.orphans import {guard}
from services.devstack.process import SupervisedProcess, Surroundings
from services.runtime.clock import SystemClock
from tests.support.processes import FOREVER, SettlingScript

async def main():
    around = Surroundings(guard={guard}(), clock=SystemClock(), on_start=lambda name, pid: None)
    text = "signal.signal(signal.SIGTERM, signal.SIG_IGN); write('deaf')" + FOREVER
    process = SupervisedProcess(SettlingScript(text=text, diary=Path(sys.argv[1]), until="deaf"), around)
    await process.start()
    print(process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("guard", ["KernelGuard", "WatchdogGuard"])
def test_a_child_ends_with_a_killed_supervisor(guard: str, tmp_path: Path) -> None:
    if guard == "KernelGuard" and not sys.platform.startswith("linux"):
        pytest.skip("the kernel of Linux")
    command = [sys.executable, "-c", SUPERVISOR.format(guard=guard), str(tmp_path / "diary")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
    wait_until_gone(child)


def test_the_watchdog_leaves_alone_whom_it_was_told_to_forget() -> None:
    guard = WatchdogGuard()
    with (
        subprocess.Popen(["/bin/sleep", "600"]) as forgotten,
        subprocess.Popen(["/bin/sleep", "600"]) as watched,
    ):
        guard.watch(forgotten.pid, signal.SIGKILL)
        guard.watch(watched.pid, signal.SIGTERM)
        guard.forget(forgotten.pid)
        guard.close()
        assert watched.wait() == -signal.SIGTERM
        assert forgotten.poll() is None
        os.kill(forgotten.pid, signal.SIGKILL)
