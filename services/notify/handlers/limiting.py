"""How often somebody may try: by name, address or agency, each try counted before it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.notify.people_keys import PeopleKeys
from services.notify.repository.throttle import ThrottleRepository
from services.runtime.clock import Clock

WHILE: Final = timedelta(minutes=15)


class Counted(StrEnum):
    """What tries are counted by."""

    NAME = "name"
    ADDRESS = "address"
    ENROLMENT_ADDRESS = "enrolment_address"
    ENDPOINT = "endpoint"
    """By agency. How often an endpoint may be tried is configuration."""


MOST: Final[Mapping[Counted, int]] = {
    Counted.NAME: 10,
    Counted.ADDRESS: 60,
    Counted.ENROLMENT_ADDRESS: 20,
}
"""In a while. Ten, so that nobody who mistypes is shut out and nobody guesses six digits; behind an address
there may be a whole agency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away: then nobody gets in."""

    throttle: ThrottleRepository
    keys: PeopleKeys
    clock: Clock
    most: Mapping[Counted, int] = field(default_factory=lambda: MOST)

    async def count(self, tried: Mapping[Counted, str]) -> timedelta | None:
        """How long to wait, or None: the try may be judged."""
        now = self.clock.now()
        by = {self.keys.digest_tries(counted, value): counted for counted, value in tried.items()}
        tallies = await self.throttle.count(list(by), now=now, until=now + WHILE)
        waits = [
            tally.until - now for subject, tally in tallies.items() if tally.count > self.most[by[subject]]
        ]
        return max(waits, default=None)

    async def forgive(self, tried: Mapping[Counted, str]) -> None:
        await self.throttle.forgive(
            [self.keys.digest_tries(counted, value) for counted, value in tried.items()]
        )
