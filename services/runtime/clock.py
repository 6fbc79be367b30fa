"""Time, ids and chance: the only module (beside each ``app.py``) that may ask for them."""

import os
import random
import secrets
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4

_CHANCE = random.SystemRandom()


class Clock(Protocol):
    """What time it is, for those who may not look for themselves."""

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, for measuring lengths."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def new_id() -> UUID:
    return uuid4()


def new_ordered_id() -> UUID:
    """A UUID (version 7) that sorts behind those of earlier milliseconds: an index grows at its end."""
    raw = bytearray((time.time_ns() // 1_000_000).to_bytes(6) + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


def new_correlation_id() -> str:
    """32 hexadecimal digits, the shape of a W3C trace id."""
    return secrets.token_hex(16)


def random_fraction() -> float:
    """At least 0 and less than 1, for jitter."""
    return _CHANCE.random()
