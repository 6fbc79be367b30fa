"""What a source may learn of its own event, from the receipts of routing's decisions."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from schemas.alert import NoticeDuty
from schemas.receipt import KIND_HEADER, Decided, EventError, EventStatus, ReceiptKind
from services.intake.handlers.keydesk import PATIENCE_SECONDS
from services.intake.handlers.sealing import open_duties
from services.intake.repository import DecidedEvent, Repository
from services.runtime.kafka import ReceivedRecord
from services.runtime.keyring import Keyring
from services.runtime.logs import get_logger
from services.runtime.patience import wait_within

log = get_logger()

_DECIDED_HEADER: Final = (KIND_HEADER, ReceiptKind.DECIDED.value.encode())


@dataclass(frozen=True, slots=True)
class EventReport:
    """The answer to "what became of my event?"; never how many others were told."""

    event_id: str
    status: EventStatus
    errors: Sequence[EventError]
    duties: Sequence[NoticeDuty]
    """Of the emitter; empty also once the case's key is destroyed."""


class StatusDesk:
    """Records what was decided, and tells it."""

    def __init__(
        self, repository: Repository, keyring: Keyring, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._repository = repository
        self._keyring = keyring
        self._patience = patience

    async def record(self, records: Sequence[ReceivedRecord]) -> None:
        """Handles a batch of the receipts topic. Raises one of database.TRANSIENT_ERRORS."""
        newest: dict[tuple[str, str], DecidedEvent] = {}
        for record in records:
            if _DECIDED_HEADER in record.headers and (decided := _parse(record)) is not None:
                place = (decided.source, decided.event_id)
                if place not in newest or newest[place].decided_at <= decided.at:
                    newest[place] = _kept(decided)
        if newest:
            await self._repository.record_decided(list(newest.values()))
            log.info("event_status.recorded", event_count=len(newest))

    async def find_report(self, *, source: str, event_id: str) -> EventReport | None:
        """Raises one of database.TRANSIENT_ERRORS, or SealError if the duties do not open."""
        finding = asyncio.create_task(self._find_report(source=source, event_id=event_id))
        return await wait_within(finding, seconds=self._patience)

    async def _find_report(self, *, source: str, event_id: str) -> EventReport | None:
        decided = await self._repository.find_decided(source=source, event_id=event_id)
        if decided is None:
            return None
        return EventReport(event_id, decided.status, decided.errors, await self._open_duties(decided))

    async def _open_duties(self, decided: DecidedEvent) -> Sequence[NoticeDuty]:
        if decided.duties_sealed is None or decided.key_id is None:
            return ()
        key = (await self._keyring.find_keys([decided.key_id]))[decided.key_id]
        if key is None:
            return ()
        return open_duties(decided.duties_sealed, key=key, source=decided.source, event_id=decided.event_id)


def _parse(record: ReceivedRecord) -> Decided | None:
    try:
        return Decided.model_validate_json(record.value or b"")
    except ValidationError as error:
        log.error(
            "receipt.unreadable",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            exc_info=error,
        )
        return None


def _kept(decided: Decided) -> DecidedEvent:
    return DecidedEvent(
        source=decided.source,
        event_id=decided.event_id,
        status=decided.status,
        errors=tuple(decided.errors),
        key_id=decided.key_id,
        duties_sealed=decided.duties_sealed,
        decided_at=decided.at,
    )
