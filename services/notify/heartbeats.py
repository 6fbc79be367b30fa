"""What a heartbeat says: decided and rendered without I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from schemas.heartbeat import ExpectedAlert, Heartbeat, WebhookHeartbeat
from services.notify.bodies import SOURCE

MOST_LISTED: Final = 500
"""Some 80 KB; what is beyond follows at once."""
SETTLE: Final = timedelta(minutes=1)
"""What was stored within this may still be on its way, and is told by the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueHeartbeat:
    """One endpoint's next heartbeat, claimed by this process."""

    endpoint_id: str
    agency: str
    sequence: int
    covered_until: int
    """The feed position up to which it was told."""
    covered_at: datetime
    next_at: datetime
    now: datetime

    @property
    def webhook_id(self) -> str:
        """The same if it is sent again after a crash."""
        return f"heartbeat_{self.endpoint_id}_{self.sequence}"


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """A place of the agency's feed; `is_expected` if it was to go to the endpoint."""

    position: int
    alert_id: UUID
    revision: int
    stored_at: datetime
    is_expected: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What one heartbeat covers, and whether the next must follow at once."""

    alerts: Sequence[ExpectedAlert]
    covered_until: int
    until: datetime
    more: bool


def find_settled(now: datetime, *, period: timedelta) -> datetime:
    """Up to when what was stored is told."""
    return now - min(SETTLE, period / 2)


def choose_told(
    due: DueHeartbeat,
    places: Sequence[FeedPlace],
    *,
    until: datetime,
    is_whole: bool,
    most: int = MOST_LISTED,
) -> Told:
    """From the places behind the last heartbeat, in their order; `is_whole` if these are all there are.

    Stops at the first that is too fresh: positions are in the order of commits, and none may be skipped.
    """
    alerts: list[ExpectedAlert] = []
    covered = due.covered_until
    for place in places:
        if place.stored_at > until:
            return Told(alerts, covered, until, more=False)
        if place.is_expected and len(alerts) == most:
            return Told(alerts, covered, until, more=True)
        covered = place.position
        if place.is_expected:
            alerts.append(_expect(place))
    return Told(alerts, covered, until, more=not is_whole)


def build_heartbeat(due: DueHeartbeat, told: Told) -> bytes:
    """The CloudEvent that is signed and sent."""
    event = WebhookHeartbeat(
        id=due.webhook_id,
        source=SOURCE,
        time=due.now,
        data=Heartbeat(
            agency=due.agency,
            endpoint_id=due.endpoint_id,
            sequence=due.sequence,
            since=due.covered_at,
            until=told.until,
            next_at=due.now if told.more else due.next_at,
            alerts=list(told.alerts),
            more=told.more,
        ),
    )
    return event.model_dump_json().encode()


def _expect(place: FeedPlace) -> ExpectedAlert:
    return ExpectedAlert(
        webhook_id=f"{place.alert_id}_{place.revision}",
        alert_id=place.alert_id,
        revision=place.revision,
        stored_at=place.stored_at,
    )
