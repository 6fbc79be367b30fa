"""That a person at the agency does not take an alert over: recorded, and told to routing, which climbs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.alert import AlertForm, AlertRecord
from schemas.vocabulary import AlertKind, RefusalReason
from services.notify import receipts
from services.notify.contents import Contents, ContentUnreadableError
from services.notify.handlers.ports import Deliveries, Outgoing
from services.notify.repository.refusals import Refusal, RefusalRepository
from services.runtime.clock import Clock
from services.runtime.logs import get_logger

log = get_logger()

REFUSABLE: Final = frozenset({AlertKind.ALERT, AlertKind.UPDATE})
"""What takes something back, or tells of a problem, is not refused."""


class RefusalError(Exception):
    """The alert cannot be refused."""


class AlreadyAcknowledgedError(RefusalError):
    """Somebody has taken it over: that holds."""


class NotRefusableError(RefusalError):
    """Nobody can refuse to have a duty, to hear that an alert no longer holds, or that something is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRefusal:
    """What a person said."""

    person: str = field(repr=False)
    role: str = field(repr=False)
    reason: RefusalReason
    note: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The refusal that counts, whoever asked; words are None once its case's data was destroyed."""

    alert_id: UUID
    revision: int
    refused_at: datetime
    reason: RefusalReason
    person: str | None = field(repr=False)
    role: str | None = field(repr=False)
    note: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalDesk:
    """Raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""

    refusals: RefusalRepository
    contents: Contents
    deliveries: Deliveries
    publish: Outgoing
    member: str
    clock: Clock

    async def _says(self, record: AlertRecord) -> object:
        """The kind of the alert; an alert where the case's data was destroyed."""
        try:
            return (await self.contents.read(record)).get("kind")
        except ContentUnreadableError:
            return AlertKind.ALERT

    async def refuse(self, record: AlertRecord, given: GivenRefusal) -> Declined:
        """Records it; the first one counts, or one for a conflict of interest. Raises RefusalError."""
        if record.form is not AlertForm.ALERT or await self._says(record) not in REFUSABLE:
            raise NotRefusableError
        refusal = await self._seal(record, given)
        receipt = receipts.refused(record, at=refusal.refused_at, reason=given.reason)
        recorded = await self.refusals.record(refusal, receipt, member=self.member)
        if recorded is None:
            raise AlreadyAcknowledgedError
        self.publish(recorded.receipts)
        self.deliveries.forget({record.alert_id})
        log.info(
            "alert.refused",
            alert_id=record.alert_id,
            agency=record.agency,
            correlation_id=record.correlation_id,
            reason=recorded.counted.reason.value,
            is_recorded=recorded.receipts is not None,
        )
        return await self._open(recorded.counted)

    async def find(self, alert_id: UUID) -> Declined | None:
        found = await self.refusals.find(alert_id)
        return None if found is None else await self._open(found)

    async def _seal(self, record: AlertRecord, given: GivenRefusal) -> Refusal:
        words = {"refused_by": given.person, "refused_as": given.role, "refusal_note": given.note}
        sealed = {
            purpose: await self.contents.seal_word(
                word, key_id=record.key_id, purpose=purpose, alert_id=record.alert_id
            )
            for purpose, word in words.items()
            if word is not None
        }
        return Refusal(
            alert_id=record.alert_id,
            revision=record.revision,
            agency=record.agency,
            refused_at=self.clock.now(),
            reason=given.reason,
            key_id=record.key_id,
            person_sealed=sealed["refused_by"],
            role_sealed=sealed["refused_as"],
            note_sealed=sealed.get("refusal_note"),
        )

    async def _open(self, refusal: Refusal) -> Declined:
        async def open_word(sealed: bytes | None, purpose: str) -> str | None:
            return await self.contents.open_word(
                sealed, key_id=refusal.key_id, purpose=purpose, alert_id=refusal.alert_id
            )

        return Declined(
            alert_id=refusal.alert_id,
            revision=refusal.revision,
            refused_at=refusal.refused_at,
            reason=refusal.reason,
            person=await open_word(refusal.person_sealed, "refused_by"),
            role=await open_word(refusal.role_sealed, "refused_as"),
            note=await open_word(refusal.note_sealed, "refusal_note"),
        )
