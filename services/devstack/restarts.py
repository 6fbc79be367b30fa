"""Whether and when an ended process is started again. Pure: decides from what happened, touches nothing."""

import os
from dataclasses import dataclass
from datetime import timedelta

ASKS_FOR_RESTART = os.EX_TEMPFAIL
"""A service ends with this code when it wants a fresh start, as when the broker became another cluster."""

STEADY_AFTER = timedelta(seconds=10)
"""Whoever lived this long is healthy: its next end is a first one again."""

SETTLED_AFTER = timedelta(seconds=1)
"""Whoever asks for a restart earlier than this did not get to work, and counts as failing."""

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=5)
LOOPING_FROM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One life of a process: how it ended and how long it lasted."""

    exit_code: int
    """As `waitpid` tells it: negative is the signal that killed it."""
    lived: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What to do next."""

    pause: timedelta
    failure_count: int
    """Ends in a row that nobody asked for, this one included."""
    asked_for: bool

    @property
    def looping(self) -> bool:
        return self.failure_count >= LOOPING_FROM


def next_restart(ended: Ended, *, failure_count: int) -> Restart:
    """At once the first time, then 0.1 s doubling up to 5 s until a life lasts 10 s.

    A restart that the process itself asked for (exit code 75) is neither delayed nor counted.
    """
    if ended.exit_code == ASKS_FOR_RESTART and ended.lived >= SETTLED_AFTER:
        return Restart(pause=timedelta(0), failure_count=0, asked_for=True)
    failures = 1 if ended.lived >= STEADY_AFTER else failure_count + 1
    return Restart(pause=_pause_after(failures), failure_count=failures, asked_for=False)


def _pause_after(failures: int) -> timedelta:
    if failures <= 1:
        return timedelta(0)
    doublings = min(failures - 2, 16)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
