"""Sending a pulse through the chain, and telling an outside monitor while it comes through."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import orjson

from schemas.receipt import KIND_HEADER, ReceiptKind
from schemas.topics import RECEIPTS
from services.notify.pulse import Offsets, Pulse
from services.runtime.clock import Clock
from services.runtime.kafka import Publisher, Record, is_passing_trouble, next_offsets
from services.runtime.logs import get_logger

log = get_logger()

TRIED_KEYS: Final = tuple(f"pulse-{number}".encode() for number in range(48))
"""So many that some fall into every partition."""
FIRST: Final = timedelta(seconds=1)
"""How soon the next one follows while nothing is proved yet."""
HEADERS: Final = ((KIND_HEADER, ReceiptKind.PULSE.value.encode()),)

Ask = Callable[[], Awaitable[Offsets]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedHop:
    """How far a group has come, and how far its topic goes; None: as far as the pulse that was just sent."""

    name: str
    find_committed: Ask
    find_ends: Ask | None


@dataclass(slots=True, kw_only=True)
class PulseWorker:
    """Each process proves the chain for itself. `ping` is asked for while all of it moves."""

    pulse: Pulse
    hops: Sequence[WatchedHop]
    publisher: Publisher
    ping: Callable[[], Awaitable[bool]] | None
    check_database: Callable[[], Awaitable[None]]
    period: timedelta
    clock: Clock
    _keys: Sequence[bytes] = field(default=TRIED_KEYS)
    _was_alive: bool | None = field(default=None)
    _began_at: datetime | None = field(default=None)

    async def beat_for_ever(self) -> None:
        while True:
            try:
                await self.beat()
            except Exception as error:
                if not is_passing_trouble(error):
                    raise
                log.warning("pulse.missed", exc_info=error)
            is_proved = await self._tell()
            await asyncio.sleep(min(self.period, self.period if is_proved else FIRST).total_seconds())

    async def beat(self) -> None:
        """Notes how far everybody came since the last one, and sets what they have to pass next."""
        await self.check_database()
        for hop in self.hops:
            self.pulse[hop.name].note(await hop.find_committed())
        at = self.clock.now()
        sent = await self._send(at)
        for hop in self.hops:
            ends = sent if hop.find_ends is None else await hop.find_ends()
            self.pulse[hop.name].set_target(ends, at=at)

    async def _send(self, at: datetime) -> Offsets:
        """One record into each partition of the receipts, which routing and intake read."""
        value = orjson.dumps({"kind": ReceiptKind.PULSE.value, "at": at}, option=orjson.OPT_UTC_Z)
        records = [Record(RECEIPTS.name, key, value, HEADERS) for key in self._keys]
        places = await self.publisher.publish(records)
        of_partition: dict[int, bytes] = {}
        for key, (partition, _) in zip(self._keys, places, strict=True):
            of_partition.setdefault(partition, key)
        self._keys = tuple(of_partition.values())
        return next_offsets(places)

    async def _tell(self) -> bool:
        """Whether anything is known yet: a chain that is only being started is not lost."""
        now = self.clock.now()
        self._began_at = self._began_at or now
        state = self.pulse.judge(now)
        is_known = state.proved_at is not None or now - self._began_at > self.pulse.patience
        if is_known and state.is_alive != self._was_alive:
            self._was_alive = state.is_alive
            write = log.info if state.is_alive else log.error
            write(
                "pulse.regained" if state.is_alive else "pulse.lost",
                hops=_name_unproved(state.hops, state.proved_at),
            )
        if state.is_alive and self.ping is not None and not await self.ping():
            log.warning("pulse.ping_failed")
        return state.proved_at is not None


def _name_unproved(hops: Mapping[str, datetime | None], proved_at: datetime | None) -> list[str]:
    """Those that are the furthest behind."""
    return sorted(name for name, at in hops.items() if at is None or at == proved_at)
