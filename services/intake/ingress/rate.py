"""How many events a source may send: a token bucket that holds one second's worth."""

import math
from dataclasses import dataclass

from schemas.vocabulary import SourceUrn


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many of the events may be looked at, and when the next one may come."""

    granted_count: int
    retry_after: int
    """Whole seconds, at least 1."""


class TokenBucket:
    """Fills by `rate` tokens a second, up to one second's worth."""

    def __init__(self, rate: int, *, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate)
        self._filled_at = now

    def take(self, count: int, *, now: float) -> Allowance:
        """Takes as many of `count` tokens as there are; `now` is monotonic seconds."""
        self._fill(now)
        granted = min(count, math.floor(self._tokens))
        self._tokens -= granted
        missing = min(count - granted, self._rate) - self._tokens
        return Allowance(granted, max(1, math.ceil(missing / self._rate)))

    def _fill(self, now: float) -> None:
        passed = max(0.0, now - self._filled_at)
        self._tokens = min(float(self._rate), self._tokens + passed * self._rate)
        self._filled_at = max(self._filled_at, now)


class RateLimiter:
    """One bucket for each source."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: dict[SourceUrn, TokenBucket] = {}

    def take(self, source: SourceUrn, count: int, *, now: float) -> Allowance:
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = self._buckets[source] = TokenBucket(self._rate, now=now)
        return bucket.take(count, now=now)
