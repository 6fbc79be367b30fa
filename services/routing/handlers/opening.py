"""From a record of the log to an event, or to the reason why it is none. No I/O: keys are handed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.case_event import CaseEvent, FieldError, InvalidEventError, parse_case_event
from schemas.sealed import SealedEvent
from schemas.vocabulary import AgencyId
from services.routing.handlers.quarantine import QuarantineReason
from services.runtime.crypto import SealError, keyed_digest
from services.runtime.kafka import ReceivedRecord
from services.runtime.keyring import CaseKey


@dataclass(frozen=True, slots=True)
class Envelope:
    """A record whose outside can be read."""

    record: ReceivedRecord
    sealed: SealedEvent


@dataclass(frozen=True, slots=True)
class OpenedEvent:
    """An event to decide. `data` is what the emitter sent; `digest` tells equal from other content."""

    record: ReceivedRecord
    sealed: SealedEvent
    key: CaseKey
    digest: bytes
    event: CaseEvent
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """A record that cannot be decided, with as much of it as could be read."""

    record: ReceivedRecord
    reason: QuarantineReason
    sealed: SealedEvent | None = None
    key: CaseKey | None = None
    digest: bytes | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    errors: tuple[FieldError, ...] = ()
    error: Exception | None = None


def read_envelope(record: ReceivedRecord) -> Envelope | UnreadableEvent:
    try:
        return Envelope(record, SealedEvent.model_validate_json(record.value or b""))
    except ValidationError as error:
        return UnreadableEvent(record, QuarantineReason.NOT_AN_ENVELOPE, error=error)


def open_event(envelope: Envelope, key: CaseKey | None) -> OpenedEvent | UnreadableEvent:
    """Unseal and parse. `key` is None if it is unknown or shredded."""
    record, sealed = envelope.record, envelope.sealed
    if key is None:
        return UnreadableEvent(record, QuarantineReason.KEY_MISSING, sealed)
    try:
        plaintext = key.cipher.open(sealed.data.sealed, context=sealed.seal_context)
        content = orjson.loads(plaintext)
        digest = digest_content(key, subject=sealed.subject, content=plaintext)
        raw = rebuild_event(sealed, content)
    except (SealError, ValueError, LookupError, TypeError) as error:
        return UnreadableEvent(record, QuarantineReason.NOT_OPENED, sealed, key, error=error)
    data = content["data"]
    try:
        return OpenedEvent(record, sealed, key, digest, parse_case_event(raw), data)
    except InvalidEventError as error:
        reason = QuarantineReason.NOT_PARSED
        return UnreadableEvent(record, reason, sealed, key, digest, _mapping(data), error.errors, error)


def digest_content(key: CaseKey, *, subject: str, content: bytes) -> bytes:
    """Keyed, so that nothing guessable outlives the case's key.

    Intake seals canonical JSON (SealedData), so equal content is equal bytes.
    """
    return keyed_digest(key.content_key, subject, content)


def find_named_agencies(data: Mapping[str, Any]) -> frozenset[AgencyId]:
    """Agencies that an event names as conflicted, read from data that need not be valid."""
    employer = _mapping(data.get("suspect")).get("employer_agency")
    declared = _mapping(data.get("details")).get("conflict_agencies")
    named = [employer, *(declared if isinstance(declared, list) else [])]
    return frozenset(name for name in named if isinstance(name, str))


def find_county(data: Mapping[str, Any]) -> str | None:
    county = data.get("county")
    return county if isinstance(county, str) and len(county) == len("06029") else None


def rebuild_event(sealed: SealedEvent, content: Mapping[str, Any]) -> bytes:
    """The event as its source sent it, for the one parser that every case event goes through."""
    return orjson.dumps(
        {
            "specversion": sealed.specversion,
            "id": sealed.id,
            "source": sealed.source,
            "subject": sealed.subject,
            "type": content["type"],
            "time": content["time"],
            "data": content["data"],
        }
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
