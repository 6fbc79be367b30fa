"""How much of bodies is in memory: announced, arriving, or waiting for PostgreSQL or Kafka."""

from collections import Counter
from typing import Final, Self

from services.intake.api.requests import RefusedRequestError
from services.intake.ingress import refusals

MAX_BYTES_IN_HAND: Final = 32 * 1024 * 1024
"""Of all bodies at the same time, from when they are announced; what comes on top is told 503."""

MAX_BYTES_ARRIVING: Final = 8 * 1024 * 1024
"""Of one source, of bodies not all here yet: it keeps no other source out; what comes on top is told 429."""


class Hand:
    """Counts bytes from the moment that a head announces them."""

    def __init__(self) -> None:
        self.total_bytes = 0
        self.arriving: Counter[str] = Counter()

    def take(self, announced_bytes: int, *, source: str) -> "Taken":
        """For a `with`, in which the body is read and what is in it done. Raises RefusedRequestError."""
        if self.total_bytes + announced_bytes > MAX_BYTES_IN_HAND:
            raise RefusedRequestError(refusals.refuse_overload())
        if self.arriving[source] + announced_bytes > MAX_BYTES_ARRIVING:
            raise RefusedRequestError(refusals.refuse_unfinished(MAX_BYTES_ARRIVING))
        return Taken(self, announced_bytes, source)


class Taken:
    """One body in hand."""

    def __init__(self, hand: Hand, announced_bytes: int, source: str) -> None:
        self._hand = hand
        self._source = source
        self._held_bytes = announced_bytes
        self._arriving_bytes = announced_bytes

    def __enter__(self) -> Self:
        self._hand.total_bytes += self._held_bytes
        self._hand.arriving[self._source] += self._arriving_bytes
        return self

    def arrived(self, size_bytes: int) -> None:
        """All of it is here, and was perhaps smaller than announced."""
        self._hand.total_bytes += size_bytes - self._held_bytes
        self._held_bytes = size_bytes
        self._stop_arriving()

    def __exit__(self, *_: object) -> None:
        self._hand.total_bytes -= self._held_bytes
        self._stop_arriving()

    def _stop_arriving(self) -> None:
        self._hand.arriving[self._source] -= self._arriving_bytes
        self._arriving_bytes = 0
