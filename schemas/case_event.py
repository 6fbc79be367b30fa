"""A case event as a member system sends it: a CloudEvent 1.0 of routing facts and disclosure groups."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from schemas import groups
from schemas.base import Instant, Opt, WireModel
from schemas.details import DETAILS
from schemas.pointer import pointer
from schemas.vocabulary import (
    TYPE_PREFIX,
    TYPE_SUFFIX,
    AgencyId,
    CaseRef,
    CountyFips,
    EventId,
    EventType,
    Gender,
    Group,
    Prosecution,
    SourceUrn,
)

MAX_EVENT_BYTES: Final = 64 * 1024
MAX_BATCH_BYTES: Final = 1024 * 1024

EVENT_TYPES: Final[Mapping[str, EventType]] = {f"{TYPE_PREFIX}{t.value}{TYPE_SUFFIX}": t for t in EventType}
"""The catalogue by what an event's `type` says."""

if TYPE_CHECKING:
    TypeName = str
else:
    TypeName = Literal[tuple(EVENT_TYPES)]


_JSON: Final = r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn]( *;.*)?$"


def _is_json(text: str) -> str:
    if not re.fullmatch(_JSON, text):
        raise ValueError("must be application/json: the data of a case event is a JSON object")
    return text


JsonMediaType = Annotated[str, AfterValidator(_is_json), Field(json_schema_extra={"pattern": _JSON})]
"""`application/json` in any case, with or without parameters ; JSON Schema has no ignore-case flag."""

DetailsObject = dict[str, Any]
"""Read by the model of the event's type once that is known."""


class Flags(WireModel):
    """Used by rules, shown to nobody; absent reads as false."""

    safe_at_home: bool = False
    unaccompanied: bool = False
    indian_child: bool = False
    in_removal_proceedings: bool = False
    exercise: bool = False


class EventData(WireModel):
    """Routing facts (always visible as REF) and the disclosure groups; one top-level key is one group."""

    county: CountyFips
    discovered_at: Opt[Instant] = None
    destinations: Opt[Annotated[list[CountyFips], Field(min_length=1, max_length=100)]] = None
    corrects: Opt[EventId] = None
    retracts: Opt[EventId] = None
    prosecution: Opt[Prosecution] = None
    flags: Flags = Flags()

    exploitation: Opt[groups.Exploitation] = None
    age: Opt[groups.Age] = None
    date_of_birth: Opt[groups.DateOfBirth] = None
    name: Opt[groups.Name] = None
    contact: Opt[groups.Contact] = None
    gender: Opt[Gender] = None
    language: Opt[groups.Language] = None
    needs: Opt[groups.Codes] = None
    safety: Opt[groups.Safety] = None
    location: Opt[groups.Location] = None
    last_seen: Opt[groups.LastSeen] = None
    physical_description: Opt[groups.PhysicalDescription] = None
    endangerment: Opt[groups.Endangerment] = None
    medical: Opt[groups.FreeText] = None
    substance_use: Opt[groups.FreeText] = None
    privileged: Opt[groups.FreeText] = None
    suspect: Opt[groups.Suspect] = None
    suspect_status: Opt[groups.SuspectStatus] = None
    criminal_justice: Opt[groups.FreeText] = None
    intelligence: Opt[groups.FreeText] = None
    immigration: Opt[groups.FreeText] = None
    citizenship: Opt[groups.Citizenship] = None
    employer: Opt[groups.Employer] = None
    custody: Opt[groups.Custody] = None
    tribe: Opt[groups.Tribe] = None
    court: Opt[groups.Court] = None
    protective_order: Opt[groups.ProtectiveOrder] = None
    appointment: Opt[groups.Appointment] = None
    operation_plan: Opt[groups.OperationPlan] = None
    consent: Opt[groups.Consent] = None
    narrative: Opt[groups.FreeText] = None
    details: Opt[DetailsObject] = None

    @cached_property
    def groups_given(self) -> frozenset[Group]:
        """The groups whose key the emitter sent."""
        return frozenset(_GROUP_OF[key] for key in self.model_fields_set if key in _GROUP_OF)


_GROUP_OF: Final[Mapping[str, Group]] = {group.value: group for group in Group}


class CaseEvent(WireModel):
    """One fact a member system reports. Unknown CloudEvents extensions are ignored and not stored."""

    model_config = ConfigDict(extra="ignore")

    specversion: Literal["1.0"]
    id: EventId
    source: SourceUrn
    type: TypeName
    subject: CaseRef
    time: Instant
    datacontenttype: Opt[JsonMediaType] = None
    data: EventData

    @property
    def event_type(self) -> EventType:
        """The catalogue type, without prefix and suffix."""
        return EVENT_TYPES[self.type]

    @property
    def agency(self) -> AgencyId:
        """The emitting agency: the segment after `agency:` in the source."""
        return self.source.split(":")[3]

    @property
    def discovered_at(self) -> datetime:
        """When the duty holder learned it: duties count from here (DOMAIN 2)."""
        return self.data.discovered_at or self.time


@dataclass(frozen=True, slots=True)
class FieldError:
    """One problem: a JSON Pointer into the event and what is expected there, never the value."""

    path: str
    message: str


class InvalidEventError(Exception):
    """The event breaks its schema; `errors` lists every problem at once."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} problem(s)")
        self.errors = tuple(errors)


_ADAPTER: Final = TypeAdapter(CaseEvent)

REQUIRED: Final[Mapping[EventType, tuple[str, ...]]] = {
    EventType.CONSENT_GRANTED: (
        "consent/consent_id",
        "consent/granted_by",
        "consent/recipients",
        "consent/groups",
        "consent/to",
    ),
    EventType.CONSENT_REVOKED: ("consent",),
    EventType.CONSENT_EXPIRING: ("consent",),
    EventType.EVENT_RETRACTED: ("retracts",),
    EventType.CASE_CROSS_JURISDICTION_MOVEMENT: ("destinations",),
    EventType.OPERATION_PLANNED: ("operation_plan",),
    EventType.VICTIM_INTERVIEW_SCHEDULED: ("appointment",),
    EventType.SUSPECT_RELEASE_SCHEDULED: ("suspect_status",),
    EventType.SUSPECT_RELEASED: ("suspect_status",),
    EventType.CASE_CONFLICT_DECLARED: ("details/conflict_agencies",),
}
"""What a type requires beyond `county`, as paths below `data` (DESIGN 4)."""


def parse_case_event(raw: bytes) -> CaseEvent:
    """Parse one structured-mode CloudEvent.

    Raises InvalidEventError with every problem: schema, keys of `details`, and what the type requires.
    """
    try:
        event = _ADAPTER.validate_json(raw, strict=True)
    except ValidationError as error:
        raise InvalidEventError(_all_errors(raw, error)) from None
    errors = [*_type_errors(event.event_type, event.data), *_contradictions(event)]
    if errors:
        raise InvalidEventError(errors)
    return event


def _contradictions(event: CaseEvent) -> Iterator[FieldError]:
    if event.data.corrects is not None and event.data.retracts is not None:
        yield FieldError("/data/retracts", "an event corrects or retracts, not both")
    if event.id in {event.data.corrects, event.data.retracts}:
        yield FieldError("/id", "an event cannot correct or retract itself")


def _all_errors(raw: bytes, error: ValidationError) -> list[FieldError]:
    """Schema errors plus, as far as type and data can be read, those of the type."""
    errors = [_field_error(detail) for detail in error.errors(include_url=False, include_input=False)]
    try:
        document = orjson.loads(raw)
        event_type = EventType(document["type"].removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX))
        data = document["data"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return errors
    if isinstance(data, dict):
        known = {e.path for e in errors}
        errors += [e for e in _type_errors(event_type, data) if e.path not in known]
    return errors


def _type_errors(event_type: EventType, data: EventData | Mapping[str, Any]) -> Iterator[FieldError]:
    for path in REQUIRED.get(event_type, ()):
        if not _has(data, path.split("/")):
            yield FieldError(f"/data/{path}", f"required on {event_type.value}")
    details = _find(data, "details")
    if isinstance(details, dict):
        yield from _details_errors(event_type, details)


def _details_errors(event_type: EventType, details: Mapping[str, Any]) -> Iterator[FieldError]:
    try:
        DETAILS[event_type].model_validate_json(orjson.dumps(details), strict=True)
    except orjson.JSONEncodeError:
        yield FieldError("/data/details", "a number beyond 64 bits, or nested too deeply")
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            yield _field_error(detail, prefix="/data/details")


def _has(data: object, path: Sequence[str]) -> bool:
    """Whether the path leads to a given value, in parsed groups and in raw JSON alike."""
    for key in path:
        data = _find(data, key)
        if data is None:
            return False
    return True


def _find(data: object, key: str) -> object:
    return data.get(key) if isinstance(data, Mapping) else getattr(data, key, None)


def _field_error(detail: ErrorDetails, *, prefix: str = "") -> FieldError:
    message = detail["msg"]
    if detail["type"] == "json_invalid":
        message = "not valid JSON"
    elif detail["type"] == "extra_forbidden":
        message = "unknown key"
    elif detail["type"] == "literal_error" and detail["loc"] == ("type",):
        message = "not a type of the event catalogue"
    return FieldError(prefix + pointer(detail["loc"]), message.removeprefix("Value error, "))
