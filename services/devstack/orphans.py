"""No child outlives its supervisor, not even one that is killed with SIGKILL.

Linux keeps that promise itself (the parent-death signal). Elsewhere a watchdog process holds the other end of
a pipe and signals every registered child when the pipe closes.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

_PR_SET_PDEATHSIG = 1


class OrphanGuard(Protocol):
    """Makes children end with their parent."""

    def before_exec(self, on_death: signal.Signals) -> Callable[[], None] | None:
        """What the child runs between fork and exec."""
        ...

    def watch(self, pid: int, on_death: signal.Signals) -> None: ...

    def forget(self, pid: int) -> None: ...


class KernelGuard:
    """Linux: the kernel signals the child when the thread that forked it ends."""

    def __init__(self) -> None:
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl

    def before_exec(self, on_death: signal.Signals) -> Callable[[], None]:
        parent, prctl, number = os.getpid(), self._prctl, int(on_death)

        def follow_parent() -> None:
            prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
            if os.getppid() != parent:  # It died before the kernel was asked.
                os._exit(os.EX_UNAVAILABLE)

        return follow_parent

    def watch(self, pid: int, on_death: signal.Signals) -> None:
        """The kernel was told before the child began."""

    def forget(self, pid: int) -> None:
        """The kernel forgets by itself."""


class WatchdogGuard:
    """Everywhere: a small process that is told of every child and outlives us by one breath."""

    def __init__(self) -> None:
        self._watchdog = subprocess.Popen(
            [sys.executable, "-m", "services.devstack.watchdog"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def before_exec(self, on_death: signal.Signals) -> None:
        del on_death

    def watch(self, pid: int, on_death: signal.Signals) -> None:
        self._tell(f"watch {pid} {int(on_death)}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"forget {pid}\n")

    def close(self) -> None:
        """Lets the watchdog go: what it still watches ends now."""
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        self._watchdog.wait()

    def _tell(self, line: str) -> None:
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.write(line.encode())
            self._watchdog.stdin.flush()


def build_guard() -> OrphanGuard:
    """The best one this platform has."""
    return KernelGuard() if sys.platform.startswith("linux") else WatchdogGuard()
