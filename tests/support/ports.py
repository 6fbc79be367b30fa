"""Ports of this process alone: one is chosen long before it is taken, and others choose meanwhile."""

import fcntl
import os
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path

from services.devstack.ports import FIRST_PORT, is_free

_FIRST, _BLOCK = 10_000, 250
_BLOCKS = (FIRST_PORT - _FIRST) // _BLOCK


def free_port() -> int:
    """Of those below what `tocsin up` chooses from; none is given twice within a few tests."""
    return next(port for port in _own_ports() if is_free(port))


@cache
def _own_ports() -> Iterator[int]:
    """A block that no other process of tests has; its lock goes with this process."""
    # The same for all, wherever each keeps its files.
    folder = Path("/tmp") / f"tocsin-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for number in range(_BLOCKS):
        lock = os.open(folder / str(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            first = _FIRST + number * _BLOCK
            return cycle(range(first, first + _BLOCK))
    raise OSError(f"{_BLOCKS} processes of tests have all ports from {_FIRST} to {FIRST_PORT}")
