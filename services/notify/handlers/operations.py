"""What an operator asks of notify: which deliveries failed or wait, how one went, and to try again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.notify.inspection import AttemptEntry, Criteria, DeliveryEntry, Standing
from services.notify.repository.dead_letters import DeadLetterRepository
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()

MOST_REDRIVEN: Final = 10_000
"""In one request; what is beyond is asked for again."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What is due again, or would be; `is_whole` unless there was more than one request takes."""

    delivery_ids: Sequence[UUID]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """One page, and how many there are on all of them."""

    entries: Sequence[DeliveryEntry]
    total: int


class UnknownAgencyError(Exception):
    """What is asked for names an agency that the directory does not know, not even as one that left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    letters: DeadLetterRepository
    find_operator: Callable[[str], str | None]
    """The name in the log of whoever holds this key, or None."""
    knows_agency: Callable[[str], bool]
    clock: Clock

    async def list_deliveries(
        self, standing: Standing, criteria: Criteria, *, before: UUID | None, limit: int, operator: str
    ) -> Listing:
        """Raises UnknownAgencyError: a misspelt id must not read as `nothing failed`."""
        self.expect(criteria.agency)
        asked = describe(criteria, standing=standing, before=before, limit=limit)
        await self.record(operator, "deliveries.listed", asked)
        entries = await self.letters.list_entries(standing, criteria, before=before, limit=limit)
        return Listing(entries, total=await self.letters.count(standing, criteria))

    async def find_delivery(
        self, delivery_id: UUID, *, operator: str
    ) -> tuple[DeliveryEntry, list[AttemptEntry]] | None:
        await self.record(operator, "delivery.shown", f"delivery_id={delivery_id}")
        return await self.letters.find(delivery_id)

    async def redrive(
        self,
        criteria: Criteria,
        *,
        delivery_ids: Sequence[UUID] | None,
        is_dry: bool,
        operator: str,
    ) -> Redriven:
        """Dead letters that nobody acknowledged and nothing replaced; a dry run only says which.

        Raises UnknownAgencyError.
        """
        self.expect(criteria.agency)
        count = None if delivery_ids is None else len(delivery_ids)
        asked = describe(criteria, delivery_ids=count, dry_run=is_dry)
        await self.record(operator, "deliveries.redriven", asked)
        found = await self.letters.list_redrivable(
            criteria, delivery_ids=delivery_ids, limit=MOST_REDRIVEN + 1
        )
        chosen = found[:MOST_REDRIVEN]
        if not is_dry:
            chosen = await self.letters.redrive(chosen, now=self.clock.now())
            log.info("deliveries.redriven", delivery_count=len(chosen), operator=operator)
        return Redriven(chosen, is_whole=len(found) <= MOST_REDRIVEN)

    def expect(self, agency: str | None) -> None:
        """Raises UnknownAgencyError: nothing is found of who never was."""
        if agency is not None and not self.knows_agency(agency):
            raise UnknownAgencyError

    async def record(self, operator: str, what: str, detail: str) -> None:
        """Before it is answered: what nobody could put on record is not done for an operator."""
        await self.letters.record_read(operator=operator, what=what, detail=detail, now=self.clock.now())


def describe(criteria: Criteria, **more: object) -> str:
    """What was asked for, as the record of it says."""
    asked = {**criteria.model_dump(), **more}
    return " ".join(f"{name}={value}" for name, value in asked.items() if value is not None)
