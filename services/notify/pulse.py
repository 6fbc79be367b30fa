"""Whether the whole chain moves: what each part of it was shown to have done, and when. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Offsets = Mapping[int, int]
"""The next offset of each partition."""


@dataclass(slots=True)
class Hop:
    """A group that reads a topic: it moves if it comes past what was there.

    `target` is what it has to pass, as of `target_at`; another is set only once it did, so that work which
    stands still is never taken for work that is new.
    """

    name: str
    proved_at: datetime | None = None
    target: Offsets | None = None
    target_at: datetime | None = None

    def set_target(self, ends: Offsets, *, at: datetime) -> None:
        if self.target is None:
            self.target, self.target_at = ends, at

    def note(self, committed: Offsets) -> None:
        if self.target is not None and _has_passed(committed, self.target):
            self.proved_at, self.target = self.target_at, None


@dataclass(frozen=True, slots=True)
class PulseState:
    """`proved_at` is the instant up to which the whole chain is proved; None if a part of it never was."""

    is_alive: bool
    proved_at: datetime | None
    hops: Mapping[str, datetime | None]


@dataclass(slots=True)
class Pulse:
    """What is known of every hop."""

    hops: Sequence[Hop]
    patience: timedelta
    _by_name: dict[str, Hop] = field(init=False)

    def __post_init__(self) -> None:
        self._by_name = {hop.name: hop for hop in self.hops}

    def __getitem__(self, name: str) -> Hop:
        return self._by_name[name]

    def judge(self, now: datetime) -> PulseState:
        proofs = [hop.proved_at for hop in self.hops]
        known = [at for at in proofs if at is not None]
        proved_at = min(known) if len(known) == len(proofs) else None
        return PulseState(
            is_alive=proved_at is not None and now - proved_at <= self.patience,
            proved_at=proved_at,
            hops={hop.name: hop.proved_at for hop in self.hops},
        )


def _has_passed(committed: Offsets, target: Offsets) -> bool:
    """A partition in which there was nothing needs no commit."""
    return all(committed.get(partition, 0) >= offset for partition, offset in target.items())
