"""`python -m services.devstack.watchdog`: reads pids on standard input and signals them when it closes."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable


def watch(lines: Iterable[str]) -> dict[int, int]:
    """Reads `watch PID SIGNAL` and `forget PID` to the end; what is left is pid → signal."""
    watched: dict[int, int] = {}
    for line in lines:
        if not line.endswith("\n"):
            break  # Its writer died while writing it.
        match line.split():
            case ["watch", pid, number]:
                watched[int(pid)] = int(number)
            case ["forget", pid]:
                watched.pop(int(pid), None)
            case _:
                raise ValueError("neither `watch PID SIGNAL` nor `forget PID`")
    return watched


def main() -> None:
    # Ctrl-C is for the supervisor; the end of the pipe is for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for pid, number in watch(sys.stdin).items():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


if __name__ == "__main__":
    main()
