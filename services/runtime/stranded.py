"""Looking for work without a next step: what is found is counted, alarmed and told beside readiness."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from services.runtime.health import JsonFact
from services.runtime.kafka import is_passing_trouble
from services.runtime.logs import get_logger

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
        while True:
            try:
                await self.look()
            except Exception as error:
                if not is_passing_trouble(error):
                    raise
                log.warning("work.not_looked_for", exc_info=error)
            await asyncio.sleep(LOOK_SECONDS)
