"""How long notify waits until it calls something stranded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.notify.repository.stranded import StrandedRepository
from services.notify.schedule import Schedules
from services.runtime.clock import Clock

PATIENCE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranding:
    """Work without a next step, by kind."""

    repository: StrandedRepository
    schedules: Schedules
    lease: timedelta
    clock: Clock

    async def count(self) -> Mapping[str, int]:
        now = self.clock.now()
        return await self.repository.count(
            overdue_since=now - PATIENCE, not_before=now + find_longest_wait(self.schedules) + self.lease
        )


def find_longest_wait(schedules: Schedules) -> timedelta:
    """No step makes a delivery wait longer: a wait with its jitter, and by a Retry-After the next one too."""
    waits = [
        wait
        for schedule in schedules.values()
        for wait in (*schedule.delays, schedule.repeat or timedelta(0))
    ]
    jitter = max(schedule.jitter for schedule in schedules.values())
    return max(waits) * (2 + jitter)
