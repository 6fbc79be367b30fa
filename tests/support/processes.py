"""Small real programs that stand in for a service, and facts about processes to wait for."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from services.devstack.process import Launch, StopStep
from tests.support.waiting import SECONDS


@dataclass(kw_only=True)
class Script:
    """A Python program given as text; it writes what it does to a file, one word a line."""

    text: str
    diary: Path
    name: str = "stand-in"
    stop_steps: tuple[StopStep, ...] = (
        StopStep(signal.SIGTERM, timedelta(seconds=10)),
        StopStep(signal.SIGKILL, timedelta(seconds=10)),
    )
    orphan_signal: signal.Signals = signal.SIGKILL
    environment: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> Launch:
        return Launch(
            command=(sys.executable, "-c", _PRELUDE + self.text, str(self.diary)),
            environment={**os.environ, **self.environment},
        )

    async def settle(self) -> None:
        return

    def words(self) -> list[str]:
        return self.diary.read_text().split() if self.diary.exists() else []


@dataclass(kw_only=True)
class SettlingScript(Script):
    """A script that is usable once it has written a word."""

    until: str = "begun"

    async def settle(self) -> None:
        await wait_for_word(self, self.until)


_PRELUDE = """
import os, signal, sys, time
def write(word):
    with open(sys.argv[1], "a") as diary:
        diary.write(word + "\\n")
write("begun")
"""

FOREVER = "\nsignal.pause()\n"


async def wait_for_word(script: Script, word: str, *, times: int = 1) -> None:
    """Until the program has written the word so often."""
    async with asyncio.timeout(SECONDS):
        while script.words().count(word) < times:  # noqa: ASYNC110 - another process has no event of ours
            await asyncio.sleep(0.01)


def wait_until_gone(pid: int) -> None:
    """Until the process, which need not be a child, has ended. Raises TimeoutError."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([descriptor], [], [], SECONDS)
    finally:
        os.close(descriptor)
    if not ended:
        raise TimeoutError(f"process {pid} still runs")
