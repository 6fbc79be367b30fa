"""What an agency mends by itself: its endpoints, what they missed, and what it should have of a day."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from schemas.directory import AgencyRecord
from services.notify.inspection import Criteria, OwnEndpoint, ReconciledAlert
from services.notify.repository.dead_letters import DeadLetterRepository
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()

MOST_RECOVERED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    letters: DeadLetterRepository
    list_suspended: Callable[[], Collection[str]]
    zone: ZoneInfo
    clock: Clock

    def list_endpoints(self, agency: AgencyRecord) -> list[OwnEndpoint]:
        suspended = self.list_suspended()
        return [
            OwnEndpoint(
                endpoint_id=endpoint.endpoint_id,
                url=endpoint.url,
                content=endpoint.content,
                public_key=endpoint.public_key,
                exercises=endpoint.exercises,
                is_suspended=endpoint.endpoint_id in suspended,
            )
            for endpoint in agency.endpoints
        ]

    async def recover(self, agency: AgencyRecord, endpoint_id: str, *, since: datetime) -> int | None:
        """How many dead letters are due again; None if the agency has no such endpoint."""
        if endpoint_id not in {endpoint.endpoint_id for endpoint in agency.endpoints}:
            return None
        criteria = Criteria(agency=agency.id, endpoint_id=endpoint_id, since=since)
        found = await self.letters.list_redrivable(criteria, delivery_ids=None, limit=MOST_RECOVERED)
        recovered = await self.letters.redrive(found, now=self.clock.now())
        log.info(
            "deliveries.recovered",
            agency=agency.id,
            endpoint_id=endpoint_id,
            delivery_count=len(recovered),
        )
        return len(recovered)

    async def reconcile(self, agency: AgencyRecord, day: date) -> Sequence[ReconciledAlert]:
        """The alerts stored on this day of the task force's zone, in the order of the feed."""
        begin, end = (datetime.combine(day + timedelta(days=days), time(), self.zone) for days in (0, 1))
        return await self.letters.list_stored(agency=agency.id, since=begin, until=end)
