"""Loopback ports for the stack's processes."""

import asyncio
import socket
from collections.abc import Callable

LOOPBACK = "127.0.0.1"

FIRST_PORT = 20_000
PORT_COUNT = 10_000
"""Below the range from which systems take source ports: a restarted process finds its port still free."""

_PATIENCE = 200


def find_port(*, preferred: int | None, taken: set[int], chance: Callable[[], float]) -> int:
    """The preferred port if it is free, else any other; never one in *taken*. Raises OSError."""
    if preferred is not None and preferred not in taken and is_free(preferred):
        return preferred
    for _ in range(_PATIENCE):
        port = FIRST_PORT + int(chance() * PORT_COUNT)
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port found between {FIRST_PORT} and {FIRST_PORT + PORT_COUNT}")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers bind: connections of a predecessor that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


async def wait_for_listener(port: int, *, poll_seconds: float = 0.005) -> None:
    """Returns once something accepts connections on the loopback port."""
    while True:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(poll_seconds)
        else:
            writer.close()
            return
