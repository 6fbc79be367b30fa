"""The duties that the law gives an agency: which are open, and what closed the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.alert import AlertRecord
from schemas.duty import DutyEvidence, DutyStatus
from schemas.sealed import evidence_seal_context
from services.notify import receipts
from services.notify.bodies import Content
from services.notify.contents import Contents, ContentUnreadableError, KeyUnreadableError
from services.notify.duties import find_duty, gather_changes
from services.notify.handlers.ports import Outgoing
from services.notify.repository.duties import DutyRepository, ListedDuty, RecordedEvidence
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()

READ_AT_ONCE: Final = 200
"""Opening so many contents takes the loop a few milliseconds."""


class EvidenceRefusedError(Exception):
    """The evidence cannot be recorded."""


class FutureEvidenceError(EvidenceRefusedError):
    """What is still to be done is no evidence."""


class ShreddedEvidenceError(EvidenceRefusedError):
    """The case's data was destroyed: nothing that somebody types about it can be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A duty as its holder reads it; its words are None once the data of its case was destroyed."""

    duty_id: UUID
    status: DutyStatus
    case_ref: str
    event_id: str | None
    words: Mapping[str, Any] | None = field(repr=False)
    evidence: DutyEvidence | None = field(repr=False)
    recorded_at: datetime | None


@dataclass(frozen=True, slots=True)
class DutyPage:
    """Some of an agency's duties, and where to go on."""

    duties: Sequence[Duty] = field(repr=False)
    next_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    duties: DutyRepository
    contents: Contents
    publish: Outgoing
    member: str
    clock: Clock

    async def list_duties(self, *, agency: str, after: int, limit: int) -> DutyPage:
        await self._read_on(agency)
        listed = await self.duties.list_duties(agency=agency, after=after, limit=limit)
        await self.contents.prepare([duty.carrier for duty in listed])
        duties = [await self._describe(duty) for duty in listed]
        return DutyPage(duties, listed[-1].position if listed else after)

    async def close(self, duty_id: UUID, *, agency: str, evidence: DutyEvidence) -> Duty | None:
        """Records what was done; the first evidence counts. None for a duty that the agency does not have.

        Raises EvidenceRefusedError.
        """
        if evidence.at > self.clock.now():
            raise FutureEvidenceError
        listed = await self._find(duty_id, agency)
        if listed is None:
            return None
        if listed.evidence is None:
            await self._record(listed, agency, evidence)
            listed = await self.duties.find(duty_id, agency=agency)
        return None if listed is None else await self._describe(listed)

    async def _find(self, duty_id: UUID, agency: str) -> ListedDuty | None:
        found = await self.duties.find(duty_id, agency=agency)
        if found is not None:
            return found
        await self._read_on(agency)
        return await self.duties.find(duty_id, agency=agency)

    async def _record(self, listed: ListedDuty, agency: str, evidence: DutyEvidence) -> None:
        carrier, now = listed.carrier, self.clock.now()
        sealed = await self.contents.seal_under(
            carrier.key_id,
            evidence.model_dump_json().encode(),
            context=evidence_seal_context(duty_id=str(listed.duty_id), agency=agency),
        )
        if sealed is None:
            raise ShreddedEvidenceError
        given = RecordedEvidence(
            duty_id=listed.duty_id, agency=agency, key_id=carrier.key_id, sealed=sealed, recorded_at=now
        )
        receipt = receipts.evidence(
            carrier, duty_id=listed.duty_id, key_id=carrier.key_id, sealed=sealed, at=now
        )
        batch = await self.duties.record_evidence(given, receipt, member=self.member)
        self.publish(batch)
        log.info(
            "duty.closed",
            duty_id=listed.duty_id,
            agency=agency,
            correlation_id=carrier.correlation_id,
            is_first=batch is not None,
        )

    async def _read_on(self, agency: str) -> None:
        """Brings the register up to the end of the agency's feed."""
        while True:
            unread = await self.duties.list_unread(agency, limit=READ_AT_ONCE)
            if not unread.records:
                return
            await self.contents.prepare(unread.records)
            read = [(record, await self._read(record)) for record in unread.records]
            changes = gather_changes((record, content) for record, content in read if content is not None)
            # Somebody else may have read on meanwhile: then on from there.
            if await self.duties.advance(agency, unread, changes) and len(unread.records) < READ_AT_ONCE:
                return

    async def _read(self, record: AlertRecord) -> Content | None:
        """None for what nobody can read any more. Raises KeyUnreadableError: it may be read later."""
        try:
            return await self.contents.read(record)
        except KeyUnreadableError:
            raise
        except ContentUnreadableError as error:
            log.warning(
                "duty.unreadable",
                alert_id=record.alert_id,
                agency=record.agency,
                correlation_id=record.correlation_id,
                detail=str(error),
            )
            return None

    async def _describe(self, listed: ListedDuty) -> Duty:
        carrier, evidence = listed.carrier, listed.evidence
        try:
            content = await self.contents.read(carrier)
        except ContentUnreadableError:
            content = {}
        event_id = content.get("event_id")
        return Duty(
            duty_id=listed.duty_id,
            status=listed.status,
            case_ref=carrier.case_ref,
            event_id=event_id if isinstance(event_id, str) else None,
            words=find_duty(carrier, content, listed.duty_id),
            evidence=None if evidence is None else await self._open(evidence),
            recorded_at=None if evidence is None else evidence.recorded_at,
        )

    async def _open(self, evidence: RecordedEvidence) -> DutyEvidence | None:
        context = evidence_seal_context(duty_id=str(evidence.duty_id), agency=evidence.agency)
        opened = await self.contents.open_under(evidence.key_id, evidence.sealed, context=context)
        return None if opened is None else DutyEvidence.model_validate_json(opened)
