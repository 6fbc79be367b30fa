"""Waiting no longer than somebody outside will."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def wait_within(task: "asyncio.Task[T]", *, seconds: float) -> T:
    """The task's result. Raises TimeoutError when it takes longer: it goes on, and its end tells nobody.

    To cancel a statement takes a server that answers, which is what is missing where one takes too long.
    """
    task.add_done_callback(_look_at)
    async with asyncio.timeout(seconds):
        return await asyncio.shield(task)


def _look_at(task: "asyncio.Task[T]") -> None:
    """An error that nobody waits for any more is no fault of ours."""
    if not task.cancelled():
        task.exception()
