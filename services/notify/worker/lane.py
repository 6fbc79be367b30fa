"""One lane: whose turn it is, how many at once, and how many a second."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from services.notify.delivery import Outcome
from services.notify.repository.rows import Due

LEAST_EACH: Final = 4
QUEUE_FACTOR: Final = 8
CLAIM_FACTOR: Final = 2
LATE_EVERY: Final = 4
BURST_SECONDS: Final = 1.0
HOLD_SECONDS: Final = 5.0
"""A lane with a rate holds no more than it may begin within this: what waits longer loses its lease."""


@dataclass(frozen=True, slots=True)
class LaneLimit:
    """How many attempts of a lane run at once, and how many begin in a second; None: as many as may run."""

    most: int
    per_second: float | None = None

    @property
    def hold(self) -> float:
        return math.inf if self.per_second is None else max(1, self.per_second * HOLD_SECONDS)


@dataclass(slots=True, eq=False)
class Lane:
    """`most` halves with each unavailable answer and grows with any other: trouble is asked less at once."""

    limit: LaneLimit
    most: int = field(init=False)
    running: int = 0
    turn: int = 0
    is_watched: bool = False
    """Whether somebody comes back when it may go on."""
    fresh: deque[Due] = field(default_factory=deque)
    late: deque[Due] = field(default_factory=deque)
    _free_at: float = -math.inf

    def __post_init__(self) -> None:
        self.most = self.limit.most

    @property
    def waiting(self) -> int:
        return len(self.fresh) + len(self.late)

    @property
    def is_free(self) -> bool:
        return self.running < self.most and self.waiting > 0

    @property
    def room(self) -> int:
        """How many more first attempts it takes into memory."""
        return int(min(self.most * QUEUE_FACTOR, self.limit.hold)) - len(self.fresh)

    @property
    def claim_room(self) -> int:
        """How many more retries it takes."""
        return max(0, int(min(self.most * CLAIM_FACTOR, self.limit.hold)) - self.waiting)

    def adjust(self, limit: LaneLimit) -> None:
        """The directory may say something else now."""
        is_in_trouble = self.most < self.limit.most
        self.most = min(self.most, limit.most) if is_in_trouble else limit.most
        self.limit = limit

    def pause(self, now: float) -> float:
        """Seconds until its rate lets another begin; 0 if it may."""
        return max(0.0, self._free_at - now)

    def take(self, now: float) -> Due:
        """First attempts go before retries, but for every fourth turn."""
        if self.limit.per_second is not None:
            self._free_at = max(self._free_at, now - BURST_SECONDS) + 1 / self.limit.per_second
        self.turn += 1
        is_late_turn = self.turn % LATE_EVERY == 0
        return (self.late if self.late and (is_late_turn or not self.fresh) else self.fresh).popleft()

    def learn(self, outcome: Outcome | None) -> None:
        """From None nothing: nobody was asked, and its turn goes to the next."""
        if outcome is None:
            if self.limit.per_second is not None:
                self._free_at -= 1 / self.limit.per_second
            return
        if outcome is Outcome.UNAVAILABLE:
            self.most = max(min(LEAST_EACH, self.limit.most), self.most // 2)
        else:
            self.most = min(self.limit.most, self.most + 1)
