"""How long things may take, derived from one number: the time-out of an attempt. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

MARGIN: Final = timedelta(seconds=5)
"""What happens around an attempt: opening, looking up, writing down."""


@dataclass(frozen=True, slots=True)
class Leases:
    """An attempt that has begun is never cut, and what has no time left to be made is not begun."""

    attempt: timedelta
    """How long an attempt and what goes with it may take: none begins whose lease is shorter."""
    lease: timedelta
    """How long a delivery is ours: one attempt may wait for another, and is then made."""
    drain: timedelta
    """How long the process may take to end: what is under way and its results; its leases outlast it."""

    @classmethod
    def of(cls, timeout: timedelta) -> Self:
        attempt, lease = timeout + MARGIN, timeout * 2 + MARGIN
        return cls(attempt=attempt, lease=lease, drain=min(attempt + MARGIN, lease))
