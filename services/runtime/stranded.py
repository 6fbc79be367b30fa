"""Looking for work without a next step: what is found is counted, alarmed and told beside readiness."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from services.runtime.health import JsonFact
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever

log = get_logger()

LOOK_SECONDS: Final = 300.0

Count: TypeAlias = Callable[[], Awaitable[Mapping[str, int]]]


class StrandedWatch:
    """Alarms when more of a kind is found than at the last look, and not at each look anew."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._found: Mapping[str, int] = {}

    def describe(self) -> JsonFact:
        """Kinds of which there is anything, with how much."""
        return {kind: count for kind, count in self._found.items() if count}

    async def look(self) -> None:
        """Raises transient errors."""
        found = await self._count()
        for kind, count in found.items():
            if count > self._found.get(kind, 0):
                log.error("work.stranded", kind=kind, found_count=count)
        self._found = found

    async def look_for_ever(self) -> None:
        await repeat_for_ever(
            self.look,
            seconds=LOOK_SECONDS,
            on_trouble=lambda error: log.warning("work.not_looked_for", exc_info=error),
        )
