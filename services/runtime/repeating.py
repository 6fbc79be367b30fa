"""Work that a service does again and again by itself, whatever passes meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

from services.runtime.kafka import is_passing_trouble


async def repeat_for_ever(
    work: Callable[[], Awaitable[object]], *, seconds: float, on_trouble: Callable[[Exception], object]
) -> None:
    """Works, waits, and works again. Passing trouble is told and waited out; any other error ends it."""
    while True:
        try:
            await work()
        except Exception as error:
            if not is_passing_trouble(error):
                raise
            on_trouble(error)
        await asyncio.sleep(seconds)


async def take_pages(take: Callable[[], Awaitable[int]], *, full: int) -> None:
    """Takes one page after the other until one is not full. ``take`` returns how much it took."""
    while await take() == full:
        pass
