"""Sealing an event before its first durable write, and opening what comes back for its source (DESIGN 6)."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import orjson
from pydantic import TypeAdapter

from schemas.alert import NoticeDuty
from schemas.sealed import SEALED_EVENT_TYPE, duties_seal_context, event_seal_context
from schemas.topics import CASE_EVENTS
from services.intake.ingress.judgement import Admitted
from services.runtime.crypto import open_sealed, seal
from services.runtime.kafka import Record
from services.runtime.keyring import CaseKey

CORRELATION_HEADER: Final = "correlation_id"

_DUTIES: Final = TypeAdapter(list[NoticeDuty])


def seal_event(admitted: Admitted, *, key: CaseKey, correlation_id: str, received_at: datetime) -> Record:
    """The record of `tocsin.case-events`: true type and data are in the seal only."""
    event = admitted.event
    time = event.time.astimezone(UTC)
    context = event_seal_context(source=event.source, event_id=event.id, subject=event.subject, time=time)
    content = orjson.dumps(
        {"type": event.type, "time": time, "data": admitted.data}, option=orjson.OPT_SORT_KEYS
    )
    # A SealedEvent, written without the model: every part was validated when the event was parsed.
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "subject": event.subject,
        "time": time,
        "type": SEALED_EVENT_TYPE,
        "datacontenttype": "application/json",
        "data": {
            "key_id": str(key.key_id),
            "sealed": urlsafe_b64encode(seal(key.secret, content, context=context)).decode(),
            "correlation_id": correlation_id,
            "received_at": received_at,
        },
    }
    return Record(
        CASE_EVENTS.name,
        key=event.subject.encode(),
        value=orjson.dumps(envelope),
        headers=[(CORRELATION_HEADER, correlation_id.encode())],
    )


def open_duties(sealed: bytes, *, key: CaseKey, source: str, event_id: str) -> Sequence[NoticeDuty]:
    """The emitter's own duties. Raises SealError."""
    context = duties_seal_context(source=source, event_id=event_id)
    return _DUTIES.validate_json(open_sealed(key.secret, sealed, context=context))
