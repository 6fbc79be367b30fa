"""A notify that goes on when a test ends, and looks to the test as if it were its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.integration.notify.rig import Rig, RunningNotify, wait_until

MAIL_FROM = "Notices <notices@desk.example>"
OPERATOR = "an operator's key"

_BEGIN_NONE = """
UPDATE notify.delivery SET due_at = 'infinity'
WHERE state = 'pending' AND leased_by IS NULL AND due_at < 'infinity'
"""
_UNDER_WAY = "SELECT 1 FROM notify.delivery WHERE leased_by IS NOT NULL LIMIT 1"


@dataclass(frozen=True)
class Standing:
    """The notify of a module."""

    rig: Rig
    running: RunningNotify

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[RunningNotify]:
        """Within the block it is ready for the directory as it is; after it, as after an orderly end, the
        attempts that were under way are finished and none is begun.
        """
        await self.running.wait_ready(self.rig.version)
        try:
            yield self.running
        finally:
            await wait_until(self._is_at_rest)

    async def _is_at_rest(self) -> bool:
        await self.rig.query(_BEGIN_NONE)
        return not await self.rig.query(_UNDER_WAY)
