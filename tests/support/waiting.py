"""Waiting for facts that give no event: another process, a table, a file."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 60.0
"""For every fact: it costs nothing where the fact comes, and a machine may be slow."""
_POLL_SECONDS = 0.03


async def eventually(find: Callable[[], Awaitable[T | None]], *, what: str, seconds: float = SECONDS) -> T:
    """The first answer that says something; an AssertionError when none comes in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = await find()
        if found:
            return found
        assert loop.time() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(_POLL_SECONDS)
