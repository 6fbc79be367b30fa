"""What `tocsin.case-events` carries: a CloudEvent whose true type and data are sealed (DESIGN 6)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from schemas.base import WireModel
from schemas.vocabulary import CaseRef, EventId, SourceUrn

SEALED_EVENT_TYPE: Final = "org.tocsin.case_event.v1"
"""Generic on purpose: that a case has immigration events is itself a disclosure."""


class SealedData(WireModel):
    """The sealed plaintext is the canonical JSON of `SealedContent`; bytes travel as URL-safe base64."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    key_id: UUID
    sealed: bytes
    correlation_id: str
    received_at: AwareDatetime


class SealedEvent(WireModel):
    """One accepted case event on its topic. Key: the case reference."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    specversion: Literal["1.0"] = "1.0"
    id: EventId
    source: SourceUrn
    subject: CaseRef
    time: AwareDatetime
    type: Literal["org.tocsin.case_event.v1"] = SEALED_EVENT_TYPE
    datacontenttype: Literal["application/json"] = "application/json"
    data: SealedData

    @property
    def seal_context(self) -> Sequence[str]:
        """The additional authenticated data: an envelope cannot be moved to another event."""
        return event_seal_context(source=self.source, event_id=self.id, subject=self.subject, time=self.time)


class SealedContent(WireModel):
    """What the seal protects; `data` is what the emitter sent, untouched."""

    type: str
    time: AwareDatetime
    data: dict[str, Any]


def event_seal_context(*, source: str, event_id: str, subject: str, time: datetime) -> tuple[str, ...]:
    """Purpose, source, id, subject and the instant in UTC."""
    return ("case-event", source, event_id, subject, time.astimezone(UTC).isoformat())


def alert_seal_context(*, alert_id: str, agency: str, revision: int) -> tuple[str, ...]:
    """Purpose, alert id, agency and revision: an alert's content opens for no other agency's alert."""
    return ("alert", alert_id, agency, str(revision))


def evidence_seal_context(*, duty_id: str, agency: str) -> tuple[str, ...]:
    """For the evidence that closes a duty: it opens for no other duty and no other agency's."""
    return ("duty-evidence", duty_id, agency)


def duties_seal_context(*, source: str, event_id: str) -> tuple[str, ...]:
    """For the duties that a `decided` receipt brings back to the event's source."""
    return ("event-duties", source, event_id)
