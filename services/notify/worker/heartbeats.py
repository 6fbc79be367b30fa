"""Sending heartbeats: beside the lanes, so that no alert waits for one; a failed one is no dead letter."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from services.notify.channels.webhook import WebhookChannel
from services.notify.delivery import Attempt, Outcome
from services.notify.directory import Directory, DirectoryView
from services.notify.heartbeats import DueHeartbeat, Told, build_heartbeat, choose_told, find_settled
from services.notify.repository.heartbeats import HeartbeatRepository
from services.notify.worker.suspending import Suspensions
from services.runtime.clock import Clock
from services.runtime.logs import get_logger
from services.runtime.repeating import repeat_for_ever, take_pages

log = get_logger()

LONGEST_LOOK_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 8
MOST_PLACES: Final = 5000


@dataclass(slots=True, kw_only=True)
class Heartbeats:
    """One for each endpoint and period, whichever process sends it."""

    repository: HeartbeatRepository
    directory: Directory
    webhook: WebhookChannel
    suspensions: Suspensions
    period: timedelta
    lease: timedelta
    clock: Clock
    _enrolled: int = field(default=0)
    """The directory version whose endpoints are known."""

    async def send_for_ever(self) -> None:
        await repeat_for_ever(
            lambda: take_pages(self.send_due, full=MOST_AT_ONCE),
            seconds=min(LONGEST_LOOK_SECONDS, self.period.total_seconds() / 4),
            on_trouble=lambda error: log.warning("heartbeats.not_sent", exc_info=error),
        )

    async def send_due(self) -> int:
        """How many were due. Raises one of database.TRANSIENT_ERRORS: they are due again after the lease."""
        view = self.directory.view
        endpoints = _list_active(view)
        if view.version > self._enrolled:
            await self.repository.enrol(endpoints, period=self.period)
            self._enrolled = view.version
        if not endpoints:
            return 0
        due = await self.repository.claim(
            [name for name, _ in endpoints], period=self.period, lease=self.lease, limit=MOST_AT_ONCE
        )
        await asyncio.gather(*(self._send(each) for each in due))
        return len(due)

    async def _send(self, due: DueHeartbeat) -> None:
        told = await self._choose(due)
        attempt = await self._attempt(due, told)
        await self.repository.record(due, told, attempt)
        write = log.info if attempt.outcome is Outcome.DELIVERED else log.warning
        write(
            "heartbeat.sent" if attempt.outcome is Outcome.DELIVERED else "heartbeat.failed",
            endpoint_id=due.endpoint_id,
            agency=due.agency,
            sequence=due.sequence,
            alert_count=len(told.alerts),
            status_code=attempt.status_code,
            detail=attempt.detail,
        )

    async def _choose(self, due: DueHeartbeat) -> Told:
        places = await self.repository.list_places(due, limit=MOST_PLACES)
        until = find_settled(due.now, period=self.period)
        return choose_told(due, places, until=until, is_whole=len(places) < MOST_PLACES)

    async def _attempt(self, due: DueHeartbeat, told: Told) -> Attempt:
        """What the breaker counts like every webhook, and lets through like one that no law orders."""
        now, endpoint = self.clock.now(), self.directory.view.find_endpoint(due.agency, due.endpoint_id)
        if endpoint is None or not endpoint.keys:
            return Attempt(
                Outcome.UNAVAILABLE, detail="endpoint_removed" if endpoint is None else "secret_unreadable"
            )
        if not self.suspensions.admits(due.endpoint_id, mandated=False, now=now):
            return Attempt(Outcome.UNAVAILABLE, detail="suspended")
        attempt = await self.webhook.send(
            endpoint.url,
            endpoint.keys_at(now),
            webhook_id=due.webhook_id,
            body=build_heartbeat(due, told),
        )
        self.suspensions.record(due.endpoint_id, due.agency, attempt, now=self.clock.now())
        return attempt


def _list_active(view: DirectoryView) -> Collection[tuple[str, str]]:
    return [
        (endpoint_id, agency)
        for agency, endpoint_id in view.endpoints
        if view.find_active(agency) is not None
    ]
