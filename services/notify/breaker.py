"""When an endpoint that keeps failing is spared, and when it is asked again: decided without I/O."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from services.notify.delivery import Attempt, Outcome

GONE: Final = 410
MOST_SAMPLES: Final = 1000
LATEST: Final = 20
"""Probes after which the pause is the longest, whatever it began with."""


class SuspensionReason(StrEnum):
    """Why an endpoint is spared."""

    FAILING = "failing"
    GONE = "gone"
    """It answered 410: there is nothing here any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """Suspended is who fails `ratio` of at least `least` attempts within `window`.

    A probe is let through after `probe_after`, and after each that fails twice as long, `longest` at most.
    """

    window: timedelta = timedelta(minutes=5)
    least: int = 10
    ratio: float = 0.8
    probe_after: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(hours=1)

    def find_pause(self, probes: int) -> timedelta:
        return min(self.longest, self.probe_after * (1 << min(probes, LATEST)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Kept in PostgreSQL, so that a restart does not forget it."""

    endpoint_id: str
    agency: str
    reason: SuspensionReason
    since: datetime
    probe_at: datetime
    probes: int = 0


@dataclass(frozen=True, slots=True)
class Suspended:
    """An endpoint is spared from now on."""

    suspension: Suspension


@dataclass(frozen=True, slots=True)
class Resumed:
    """An endpoint answers again."""

    suspension: Suspension


Change: TypeAlias = Suspended | Resumed


@dataclass(slots=True)
class _Samples:
    """How the latest attempts at an endpoint ended."""

    kept: deque[tuple[datetime, bool]] = field(default_factory=deque)
    failed_count: int = 0

    def add(self, at: datetime, *, has_failed: bool, window: timedelta) -> None:
        self.kept.append((at, has_failed))
        self.failed_count += has_failed
        while self.kept[0][0] < at - window or len(self.kept) > MOST_SAMPLES:
            self.failed_count -= self.kept.popleft()[1]

    def say_failing(self, policy: BreakerPolicy) -> bool:
        return len(self.kept) >= policy.least and self.failed_count >= policy.ratio * len(self.kept)


class Breaker:
    """What is known of each endpoint. What happens to it is told as changes, for somebody to keep."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._suspended: dict[str, Suspension] = {}
        self._samples: dict[str, _Samples] = {}

    @property
    def suspended(self) -> Mapping[str, Suspension]:
        return self._suspended

    def adopt(self, suspensions: Iterable[Suspension]) -> None:
        """What PostgreSQL says is in force; when the next probe is due, this process knows better."""
        self._suspended = {suspension.endpoint_id: self._merge(suspension) for suspension in suspensions}

    def admits(self, endpoint_id: str, *, mandated: bool, now: datetime) -> bool:
        """Whether it may be asked now: always what the law orders, and one other in a while as a probe."""
        suspension = self._suspended.get(endpoint_id)
        if suspension is None or mandated:
            return True
        if now < suspension.probe_at:
            return False
        # Moved before the probe is made: one at a time, also if nobody hears how it ended.
        probes = suspension.probes + 1
        self._suspended[endpoint_id] = replace(
            suspension, probes=probes, probe_at=now + self._policy.find_pause(probes)
        )
        return True

    def record(self, endpoint_id: str, agency: str, attempt: Attempt, *, now: datetime) -> Change | None:
        """How it was received. An attempt that never left us says nothing of it."""
        if attempt.status_code is None and attempt.trouble is None:
            return None
        suspension = self._suspended.get(endpoint_id)
        if suspension is not None:
            return self._resume(suspension) if attempt.outcome is Outcome.DELIVERED else None
        if attempt.status_code == GONE:
            return self._suspend(endpoint_id, agency, SuspensionReason.GONE, now)
        has_failed = attempt.outcome is not Outcome.DELIVERED
        samples = self._samples.setdefault(endpoint_id, _Samples())
        samples.add(now, has_failed=has_failed, window=self._policy.window)
        if has_failed and samples.say_failing(self._policy):
            return self._suspend(endpoint_id, agency, SuspensionReason.FAILING, now)
        return None

    def _suspend(self, endpoint_id: str, agency: str, reason: SuspensionReason, now: datetime) -> Suspended:
        probes = 0 if reason is SuspensionReason.FAILING else LATEST
        suspension = Suspension(
            endpoint_id=endpoint_id,
            agency=agency,
            reason=reason,
            since=now,
            probe_at=now + self._policy.find_pause(probes),
            probes=probes,
        )
        self._suspended[endpoint_id] = suspension
        self._samples.pop(endpoint_id, None)
        return Suspended(suspension)

    def _resume(self, suspension: Suspension) -> Resumed:
        del self._suspended[suspension.endpoint_id]
        return Resumed(suspension)

    def _merge(self, kept: Suspension) -> Suspension:
        known = self._suspended.get(kept.endpoint_id)
        return known if known is not None and known.since == kept.since else kept
