"""Keeping suspensions: told at once, written down soon, and the same in every process."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from services.notify.breaker import Breaker, BreakerPolicy, Change, Resumed, Suspended
from services.notify.delivery import Attempt, DeliveryState
from services.notify.repository.rows import ReceiptBatch, Result
from services.notify.repository.suspensions import SuspensionRepository
from services.notify.settings import NotifySettings
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.logs import get_logger

log = get_logger()

FOLLOW_SECONDS: Final = 2.0


def build_breaker(settings: NotifySettings) -> Breaker:
    return Breaker(
        BreakerPolicy(
            window=settings.notify_suspend_window,
            least=settings.notify_suspend_attempts,
            ratio=settings.notify_suspend_ratio,
            probe_after=settings.notify_suspend_probe,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspensions:
    """Between the attempts, which ask and tell, and PostgreSQL. Routing hears of each change once."""

    breaker: Breaker
    repository: SuspensionRepository
    publish: Callable[[ReceiptBatch | None], None]
    member: str
    clock: Clock
    _unwritten: list[Change] = field(default_factory=list)
    _resumed_at: dict[str, datetime] = field(default_factory=dict)
    """When this process learnt that an endpoint answers again."""
    _overtaken: set[str] = field(default_factory=set)
    """Endpoints that answer again, where an attempt from before has put a delivery off since."""
    _some: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def endpoint_ids(self) -> list[str]:
        return sorted(self.breaker.suspended)

    def admits(self, endpoint_id: str, *, mandated: bool, now: datetime) -> bool:
        return self.breaker.admits(endpoint_id, mandated=mandated, now=now)

    def record(self, endpoint_id: str, agency: str, attempt: Attempt, *, now: datetime) -> None:
        change = self.breaker.record(endpoint_id, agency, attempt, now=now)
        if change is None:
            return
        _log(change)
        if isinstance(change, Resumed):
            self._resumed_at[endpoint_id] = now
        self._unwritten.append(change)
        self._some.set()

    def see_results(self, results: Iterable[Result]) -> None:
        """Once they are written: what was under way when its endpoint was resumed was not released then."""
        for result in results:
            if result.state is DeliveryState.PENDING and self._was_resumed_since(result):
                self._overtaken.add(result.lane)
                self._some.set()

    async def load(self) -> None:
        """At the start. Raises one of database.TRANSIENT_ERRORS."""
        self.breaker.adopt(await self.repository.list_all())

    async def run(self) -> None:
        while True:
            await self._wait()
            try:
                await self._write()
                await self._follow()
            except TRANSIENT_ERRORS as error:
                log.warning("endpoint.not_kept", exc_info=error)
                await asyncio.sleep(FOLLOW_SECONDS)

    async def finish(self) -> None:
        """At the end: what is not written yet, if PostgreSQL answers."""
        try:
            await self._write()
        except TRANSIENT_ERRORS as error:
            log.warning("endpoint.not_kept", exc_info=error)

    async def _wait(self) -> None:
        """For a change of ours, or long enough for others' to be worth asking for."""
        try:
            async with asyncio.timeout(FOLLOW_SECONDS):
                await self._some.wait()
        except TimeoutError:
            return

    def _was_resumed_since(self, result: Result) -> bool:
        resumed_at = self._resumed_at.get(result.lane)
        return resumed_at is not None and resumed_at >= result.started_at

    async def _write(self) -> None:
        while self._unwritten or self._overtaken:
            if self._unwritten:
                self.publish(await self._write_change(self._unwritten[0]))
                self._unwritten.pop(0)
            else:
                await self._release(min(self._overtaken))
        self._some.clear()

    async def _release(self, endpoint_id: str) -> None:
        # Taken off before: what is put off while this is written is not in what it releases.
        self._overtaken.discard(endpoint_id)
        try:
            _log_released(endpoint_id, await self.repository.release(endpoint_id))
        except BaseException:
            self._overtaken.add(endpoint_id)
            raise

    async def _write_change(self, change: Change) -> ReceiptBatch | None:
        now = self.clock.now()
        match change:
            case Suspended():
                return await self.repository.record(change, member=self.member, now=now)
            case Resumed(suspension):
                ended = await self.repository.end(suspension.endpoint_id, member=self.member, now=now)
                _log_released(suspension.endpoint_id, ended.released_count)
                return ended.receipts
            case _:
                assert_never(change)

    async def _follow(self) -> None:
        """A change of ours while we asked is newer than the answer."""
        found = await self.repository.list_all()
        if self._unwritten:
            return
        ended = self.breaker.suspended.keys() - {suspension.endpoint_id for suspension in found}
        self.breaker.adopt(found)
        now = self.clock.now()
        for endpoint_id in ended:
            # By another process, which could not release what was under way in this one.
            self._resumed_at[endpoint_id] = now
            self._overtaken.add(endpoint_id)
            self._some.set()


def _log(change: Change) -> None:
    suspension = change.suspension
    about = {"endpoint_id": suspension.endpoint_id, "agency": suspension.agency}
    match change:
        case Suspended():
            log.error("endpoint.suspended", **about, reason=suspension.reason.value)
        case Resumed():
            log.info("endpoint.resumed", **about, reason=suspension.reason.value)
        case _:
            assert_never(change)


def _log_released(endpoint_id: str, released_count: int) -> None:
    if released_count:
        log.info("delivery.released", endpoint_id=endpoint_id, delivery_count=released_count)
