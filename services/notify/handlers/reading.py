"""An alert as a person who is signed in reads and answers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from schemas.alert import AlertForm, AlertRecord
from schemas.vocabulary import RefusalReason
from services.notify.handlers.desk import AgencyDesk, Taken, Withheld
from services.notify.handlers.refusing import REFUSABLE, Declined, GivenRefusal
from services.notify.people import Person
from services.notify.repository.sessions import SessionRepository
from services.runtime.logs import get_logger

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlert:
    """What a person sees: what the agency would read over its API, and who answered it."""

    data: Mapping[str, object] = field(repr=False)
    withheld: Withheld | None = None
    taken: Taken | None
    declined: Declined | None
    can_answer: bool
    """A notice of a duty is answered by evidence, and not here."""

    @property
    def can_refuse(self) -> bool:
        """What takes something back, or tells of a problem, is not refused."""
        return self.can_answer and bool(self.reasons) and self.data.get("kind") in REFUSABLE

    @property
    def reasons(self) -> tuple[RefusalReason, ...]:
        """Those that would still count."""
        if self.declined is None:
            return tuple(RefusalReason)
        conflict = RefusalReason.CONFLICT_OF_INTEREST
        return () if self.declined.reason is conflict else (conflict,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    desk: AgencyDesk
    reads: SessionRepository

    async def read(self, alert_id: UUID, person: Person) -> OpenAlert | None:
        """None as for the agency itself. That it is read is recorded before it is shown."""
        record = await self.desk.find_own(alert_id, person.agency)
        if record is None:
            return None
        await self._record(record, person)
        log.info(
            "alert.read",
            alert_id=alert_id,
            agency=person.agency,
            person_id=person.person_id,
            correlation_id=record.correlation_id,
        )
        opened = await self.desk.open(record)
        return OpenAlert(
            data=opened.data,
            withheld=opened.withheld,
            taken=await self.desk.find_taken(alert_id),
            declined=await self.desk.refusals.find(alert_id),
            can_answer=record.form is AlertForm.ALERT,
        )

    async def _record(self, record: AlertRecord, person: Person) -> None:
        """With the name as it is now: the person may be gone by the time that somebody asks who it was."""
        sealed = {
            purpose: await self.desk.contents.seal_word(
                word, key_id=record.key_id, purpose=purpose, alert_id=record.alert_id
            )
            for purpose, word in {"read_by": person.name, "read_as": person.role}.items()
        }
        await self.reads.record_read(
            record,
            person_id=person.person_id,
            person_sealed=sealed["read_by"],
            role_sealed=sealed["read_as"],
            now=self.desk.clock.now(),
        )

    async def acknowledge(self, alert_id: UUID, person: Person, *, role: str) -> Taken | None:
        return await self.desk.acknowledge(alert_id, agency=person.agency, person=person.name, role=role)

    async def refuse(
        self, alert_id: UUID, person: Person, *, role: str, reason: RefusalReason, note: str | None
    ) -> Declined | None:
        """Raises RefusalError."""
        given = GivenRefusal(person=person.name, role=role, reason=reason, note=note)
        return await self.desk.refuse(alert_id, agency=person.agency, given=given)
