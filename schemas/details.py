"""The `details` group: per event type, the codes, numbers and times of DOMAIN 5.3; never free text.

Facts that a rule, a gate or a clock reads live in their own group or routing fact and are refused here, so
that a risk filed in the wrong place cannot be overlooked in silence.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints, create_model

from schemas.base import Instant, Opt, WireModel
from schemas.vocabulary import AgencyId, CountyFips, EventType

Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/+-]{1,64}$")]
"""A code or an opaque id: no spaces, so no sentence and no name fits."""

Tokens = Annotated[list[Token], Field(max_length=100)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Agencies = Annotated[list[AgencyId], Field(min_length=1, max_length=100)]

_KEYS: Final[Mapping[EventType, Mapping[str, Any]]] = {
    EventType.TIP_RECEIVED: {"tip_id": Token, "channel": Token, "reporter_type": Token},
    EventType.TIP_TRIAGED: {"disposition": Token},
    EventType.VICTIM_STATUS_CHANGED: {"decision_making_org": Token},
    EventType.VICTIM_MINOR_CONFIRMED: {"evidence_of_age": Token},
    EventType.VICTIM_AGE_DETERMINED: {"method": Token},
    EventType.VICTIM_RECOVERED: {"recovered_at": Instant, "condition": Token},
    EventType.VICTIM_INTERVIEW_SCHEDULED: {"start": Instant, "end": Instant, "interview_type": Token},
    EventType.CHILD_ABUSE_SUSPECTED: {"report_form": Token, "phoned_at": Instant, "phoned_to": Token},
    EventType.CHILD_MISSING_FROM_CARE: {"missing_since": Instant, "placement_type": Token},
    EventType.CHILD_LOCATED: {"located_at": Instant, "condition": Token},
    EventType.CHILD_PLACEMENT_CHANGED: {"placement_type": Token, "effective": Instant},
    EventType.CHILD_STATUS_CHANGED: {"status": Token},
    EventType.SCHOOL_RISK_FLAGGED: {"indicators": Tokens},
    EventType.MEDICAL_INJURY_REPORTED: {"injury_class": Token, "reported_to_lea_at": Instant},
    EventType.MEDICAL_EXAM_REQUESTED: {"hours_since_assault": Count, "patient_consents": bool},
    EventType.LABOR_COMPLAINT_RECEIVED: {
        "industry": Token,
        "workers_affected": Count,
        "methods_of_control": Tokens,
    },
    EventType.LABOR_INSPECTION_PLANNED: {"window_start": date, "window_end": date, "window": Token},
    EventType.SHELTER_BED_NEEDED: {"needed_by": Instant, "party_size": Count, "accessibility": Tokens},
    EventType.SHELTER_BED_ASSIGNED: {"held_until": Instant},
    EventType.SERVICE_REFERRAL_MADE: {"service": Token, "reason": Token},
    EventType.SERVICE_REFERRAL_DECLINED: {"reason_code": Token},
    EventType.CONSENT_REVOKED: {"effective": Instant},
    EventType.CONSENT_EXPIRING: {"expires_at": Instant},
    EventType.IMMIGRATION_CONTINUED_PRESENCE_REQUESTED: {"requested_at": Instant},
    EventType.IMMIGRATION_CONTINUED_PRESENCE_DECIDED: {"decision": Token, "valid_to": Instant},
    EventType.IMMIGRATION_LEA_DECLARATION_REQUESTED: {"form": Token, "requested_at": Instant},
    EventType.IMMIGRATION_HHS_LETTER_ISSUED: {"letter_type": Token, "valid_to": Instant},
    EventType.SUSPECT_ARRESTED: {"arrested_at": Instant, "charges": Tokens},
    EventType.SUSPECT_RELEASE_SCHEDULED: {"release_at": Instant, "conditions": Tokens},
    EventType.SUSPECT_RELEASED: {"released_at": Instant},
    EventType.COURT_HEARING_SCHEDULED: {"hearing_type": Token, "at": Instant},
    EventType.ORDER_PROTECTIVE_ISSUED: {"order_type": Token, "expires_at": Instant},
    EventType.ORDER_PROTECTIVE_EXPIRING: {"order_type": Token, "expires_at": Instant},
    EventType.CASE_CROSS_JURISDICTION_MOVEMENT: {"from_county": CountyFips},
    EventType.CASE_TRANSFERRED: {"to_agency": AgencyId, "status": Token, "reason": Token},
    EventType.CASE_CLOSED: {"status": Token, "reason": Token},
    EventType.CASE_CONFLICT_DECLARED: {"conflict_agencies": Agencies},
    EventType.AGENCY_MOU_EXPIRING: {"agency_id": AgencyId, "date": date},
    EventType.AGENCY_OFFBOARDED: {"agency_id": AgencyId, "date": date},
}


def _model_name(event_type: EventType) -> str:
    return "".join(part.capitalize() for part in event_type.value.replace(".", "_").split("_")) + "Details"


def _build_model(event_type: EventType) -> type[WireModel]:
    fields: dict[str, Any] = {
        key: (Opt[kind], None)  # type: ignore[valid-type,misc] # built at run time, one model per type
        for key, kind in _KEYS.get(event_type, {}).items()
    }
    return create_model(
        _model_name(event_type), __base__=WireModel, __doc__=f"`details` of {event_type.value}.", **fields
    )


DETAILS: Final[Mapping[EventType, type[WireModel]]] = {
    event_type: _build_model(event_type) for event_type in EventType
}
"""The model of `details` for each event type; a type without keys of its own refuses any."""
