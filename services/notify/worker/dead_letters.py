"""How many dead letters there are, told beside readiness: what nobody redrives is not forgotten."""

from collections.abc import Awaitable, Callable
from typing import Final

from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever

log = get_logger()

LOOK_SECONDS: Final = 15.0


class DeadLetterGauge:
    """Of all processes, as it was when this one last looked."""

    def __init__(self, count: Callable[[], Awaitable[int]]) -> None:
        self._count = count
        self._found: int | None = None

    def describe(self) -> int | None:
        """None before the first look."""
        return self._found

    async def look_for_ever(self) -> None:
        await repeat_for_ever(
            self._look,
            seconds=LOOK_SECONDS,
            on_trouble=lambda error: log.warning("dead_letters.not_counted", exc_info=error),
        )

    async def _look(self) -> None:
        self._found = await self._count()
