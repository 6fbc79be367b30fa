"""The closed sets of words that every part of Tocsin shares.

Codes come from IOM's Human Trafficking Case Data Standard 2.0 (HTCDS, CC BY 4.0) where it has them.
"""

from enum import StrEnum
from typing import Annotated, Final, NewType

from pydantic import StringConstraints

AlertId = NewType("AlertId", str)

AgencyId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""Lower-case letters, digits and hyphens, at most 64: `ag-kern-so`."""

CaseRef = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""Opaque case reference: 1 to 64 of A-Z a-z 0-9 . _ - (never a report number or anything of a person)."""

EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
"""Unique within its source: 1 to 128 of A-Z a-z 0-9 . _ : -."""

SourceUrn = Annotated[
    str,
    StringConstraints(pattern=r"^urn:tocsin:agency:[a-z0-9][a-z0-9-]{0,63}:[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
]
"""`urn:tocsin:agency:<agency>:<system>`."""

CountyFips = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
"""FIPS county code: a string of five digits, so that a leading zero survives."""

RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,8}-[0-9]{2,5}[a-z]?$")]

ConsentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]


class Role(StrEnum):
    """What an agency does on a task force (DOMAIN 1)."""

    LEA_LEAD = "LEA_LEAD"
    LEA_LOCAL = "LEA_LOCAL"
    HSI = "HSI"
    FBI = "FBI"
    FED_PROSECUTOR = "FED_PROSECUTOR"
    PROSECUTOR = "PROSECUTOR"
    CHILD_WELFARE = "CHILD_WELFARE"
    CHILD_ADVOCACY_CENTER = "CHILD_ADVOCACY_CENTER"
    VICTIM_SERVICES = "VICTIM_SERVICES"
    SART_HOSPITAL = "SART_HOSPITAL"
    PROBATION = "PROBATION"
    LABOR_FED = "LABOR_FED"
    LABOR_STATE = "LABOR_STATE"
    SCHOOL = "SCHOOL"
    NCMEC = "NCMEC"
    HHS_OTIP = "HHS_OTIP"
    HHS_ORR = "HHS_ORR"
    NATIONAL_HOTLINE = "NATIONAL_HOTLINE"
    TRIBAL = "TRIBAL"
    SHELTER = "SHELTER"
    IMMIGRATION_LEGAL = "IMMIGRATION_LEGAL"
    MENTAL_HEALTH = "MENTAL_HEALTH"
    PUBLIC_HEALTH = "PUBLIC_HEALTH"
    JUVENILE_COURT = "JUVENILE_COURT"
    COUNTY_EDUCATION = "COUNTY_EDUCATION"
    SURVIVOR_CONSULTANT = "SURVIVOR_CONSULTANT"
    FAITH = "FAITH"
    PUBLIC_AWARENESS = "PUBLIC_AWARENESS"
    TF_COORDINATOR = "TF_COORDINATOR"


class Group(StrEnum):
    """A disclosure group: one top-level key of an event's `data`, the unit of "what may be seen"."""

    EXPLOITATION = "exploitation"
    AGE = "age"
    DATE_OF_BIRTH = "date_of_birth"
    NAME = "name"
    CONTACT = "contact"
    GENDER = "gender"
    LANGUAGE = "language"
    NEEDS = "needs"
    SAFETY = "safety"
    LOCATION = "location"
    LAST_SEEN = "last_seen"
    PHYSICAL_DESCRIPTION = "physical_description"
    ENDANGERMENT = "endangerment"
    MEDICAL = "medical"
    SUBSTANCE_USE = "substance_use"
    PRIVILEGED = "privileged"
    SUSPECT = "suspect"
    SUSPECT_STATUS = "suspect_status"
    CRIMINAL_JUSTICE = "criminal_justice"
    INTELLIGENCE = "intelligence"
    IMMIGRATION = "immigration"
    CITIZENSHIP = "citizenship"
    EMPLOYER = "employer"
    CUSTODY = "custody"
    TRIBE = "tribe"
    COURT = "court"
    PROTECTIVE_ORDER = "protective_order"
    APPOINTMENT = "appointment"
    OPERATION_PLAN = "operation_plan"
    CONSENT = "consent"
    NARRATIVE = "narrative"
    DETAILS = "details"


IDENTIFYING_GROUPS: Final = frozenset(
    {
        Group.DATE_OF_BIRTH,
        Group.NAME,
        Group.CONTACT,
        Group.LOCATION,
        Group.LAST_SEEN,
        Group.PHYSICAL_DESCRIPTION,
        Group.ENDANGERMENT,
        Group.MEDICAL,
        Group.SUBSTANCE_USE,
        Group.PRIVILEGED,
        Group.NARRATIVE,
        Group.SUSPECT,
        Group.CRIMINAL_JUSTICE,
        Group.INTELLIGENCE,
        Group.IMMIGRATION,
        Group.CITIZENSHIP,
        Group.EMPLOYER,
        Group.TRIBE,
        Group.DETAILS,
    }
)
"""Groups marked ID in DOMAIN 5.2, and `details`, which DESIGN 4 counts as identifying."""

NON_GOVERNMENT_ROLES: Final = frozenset(
    {
        Role.VICTIM_SERVICES,
        Role.SHELTER,
        Role.IMMIGRATION_LEGAL,
        Role.SART_HOSPITAL,
        Role.CHILD_ADVOCACY_CENTER,
        Role.NATIONAL_HOTLINE,
        Role.NCMEC,
        Role.FAITH,
        Role.SURVIVOR_CONSULTANT,
        Role.PUBLIC_AWARENESS,
    }
)
"""Every other role is government for a duty of "the emitter, if government" (DOMAIN 6.0.1 point 6)."""


class Confidentiality(StrEnum):
    """How an emitting agency's own secrecy law gates what leaves it (DOMAIN 6.0 step 7), laxest first."""

    STANDARD = "standard"
    MEDICAL = "medical"
    STRICT = "strict"


ROLE_CONFIDENTIALITY: Final = {
    Role.VICTIM_SERVICES: Confidentiality.STRICT,
    Role.SHELTER: Confidentiality.STRICT,
    Role.IMMIGRATION_LEGAL: Confidentiality.STRICT,
    Role.SART_HOSPITAL: Confidentiality.MEDICAL,
}
"""The least an agency of this role may declare (DOMAIN 6.0.1 point 2)."""


class EventType(StrEnum):
    """The event catalogue (DOMAIN 5.3), without the `org.tocsin.` prefix and the `.v1` suffix."""

    TIP_RECEIVED = "tip.received"
    TIP_TRIAGED = "tip.triaged"
    VICTIM_POTENTIAL_IDENTIFIED = "victim.potential_identified"
    VICTIM_STATUS_CHANGED = "victim.status_changed"
    VICTIM_MINOR_CONFIRMED = "victim.minor_confirmed"
    VICTIM_AGE_DETERMINED = "victim.age_determined"
    VICTIM_RECOVERED = "victim.recovered"
    VICTIM_INTERVIEW_SCHEDULED = "victim.interview_scheduled"
    CHILD_ABUSE_SUSPECTED = "child.abuse_suspected"
    CHILD_MISSING_FROM_CARE = "child.missing_from_care"
    CHILD_LOCATED = "child.located"
    CHILD_PLACEMENT_CHANGED = "child.placement_changed"
    CHILD_STATUS_CHANGED = "child.status_changed"
    SCHOOL_RISK_FLAGGED = "school.risk_flagged"
    MEDICAL_INJURY_REPORTED = "medical.injury_reported"
    MEDICAL_EXAM_REQUESTED = "medical.exam_requested"
    LABOR_COMPLAINT_RECEIVED = "labor.complaint_received"
    LABOR_INSPECTION_PLANNED = "labor.inspection_planned"
    SHELTER_BED_NEEDED = "shelter.bed_needed"
    SHELTER_BED_ASSIGNED = "shelter.bed_assigned"
    SERVICE_REFERRAL_MADE = "service.referral_made"
    SERVICE_REFERRAL_DECLINED = "service.referral_declined"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_EXPIRING = "consent.expiring"
    IMMIGRATION_FOREIGN_NATIONAL_MINOR_IDENTIFIED = "immigration.foreign_national_minor_identified"
    IMMIGRATION_CONTINUED_PRESENCE_REQUESTED = "immigration.continued_presence_requested"
    IMMIGRATION_CONTINUED_PRESENCE_DECIDED = "immigration.continued_presence_decided"
    IMMIGRATION_LEA_DECLARATION_REQUESTED = "immigration.lea_declaration_requested"
    IMMIGRATION_HHS_LETTER_ISSUED = "immigration.hhs_letter_issued"
    SUSPECT_IDENTIFIED = "suspect.identified"
    SUSPECT_ARRESTED = "suspect.arrested"
    SUSPECT_RELEASE_SCHEDULED = "suspect.release_scheduled"
    SUSPECT_RELEASED = "suspect.released"
    COURT_HEARING_SCHEDULED = "court.hearing_scheduled"
    ORDER_PROTECTIVE_ISSUED = "order.protective_issued"
    ORDER_PROTECTIVE_EXPIRING = "order.protective_expiring"
    SAFETY_RISK_ESCALATED = "safety.risk_escalated"
    OPERATION_PLANNED = "operation.planned"
    CASE_CROSS_JURISDICTION_MOVEMENT = "case.cross_jurisdiction_movement"
    CASE_TRANSFERRED = "case.transferred"
    CASE_CLOSED = "case.closed"
    CASE_CONFLICT_DECLARED = "case.conflict_declared"
    EVENT_RETRACTED = "event.retracted"
    AGENCY_MOU_EXPIRING = "agency.mou_expiring"
    AGENCY_OFFBOARDED = "agency.offboarded"


TYPE_PREFIX: Final = "org.tocsin."
TYPE_SUFFIX: Final = ".v1"


class Urgency(StrEnum):
    """How soon somebody must take responsibility, slowest first, so that `max` by rank is the highest."""

    ROUTINE = "routine"
    PRIORITY = "priority"
    URGENT = "urgent"
    IMMEDIATE = "immediate"

    @property
    def rank(self) -> int:
        """0 for routine to 3 for immediate."""
        return _URGENCY_RANK[self]


_URGENCY_RANK: Final = {urgency: rank for rank, urgency in enumerate(Urgency)}


class Basis(StrEnum):
    """Why a disclosure is lawful: the law orders it, or the task force agreed it (DOMAIN 6.0)."""

    MANDATED = "mandated"
    AGREEMENT = "agreement"


class ConsentMode(StrEnum):
    """What a rule needs of consent: DOMAIN 6.0 step 8's N, D and S."""

    NONE = "none"
    BASE = "base"
    REQUIRED = "required"


class AlertKind(StrEnum):
    """CAP 1.2 msgType, in the four values Tocsin uses."""

    ALERT = "alert"
    UPDATE = "update"
    CANCEL = "cancel"
    ERROR = "error"


class Reason(StrEnum):
    """Why a row that tells of a problem exists (S-04, S-05, S-06 and quarantine)."""

    NO_AGENCY = "NO_AGENCY"
    CONFLICT = "CONFLICT"
    OFFBOARDED = "OFFBOARDED"
    AGREEMENT_EXPIRED = "AGREEMENT_EXPIRED"
    CONSENT_REQUIRED = "CONSENT_REQUIRED"
    ID_REUSE = "ID_REUSE"
    QUARANTINED = "QUARANTINED"


class RefusalReason(StrEnum):
    """Why a person at the agency does not take an alert over."""

    WRONG_AGENCY = "wrong_agency"
    NO_CAPACITY = "no_capacity"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    DUPLICATE = "duplicate"
    OTHER = "other"


class Outcome(StrEnum):
    """What became of one accepted event."""

    ROUTED = "routed"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"


class AgencyStatus(StrEnum):
    """Whether an agency still takes part."""

    ACTIVE = "active"
    OFFBOARDED = "offboarded"


class Rung(StrEnum):
    """Which contact of an agency an alert goes to."""

    PRIMARY = "primary"
    BACKUP = "backup"


class EndpointContent(StrEnum):
    """Whether a webhook body carries the disclosed groups or only points at the alert."""

    POINTER = "pointer"
    DISCLOSED = "disclosed"


class Durability(StrEnum):
    """What an acceptance survives: nothing of the broker, its restart, or the loss of a broker."""

    MEMORY = "memory"
    DISK = "disk"
    REPLICATED = "replicated"


class ExploitationType(StrEnum):
    """HTCDS vic_TypeOfExploitation."""

    FORCED_LABOUR = "ForcedLabour"
    SEXUAL_EXPLOITATION = "SexualExploitation"
    CHILD_LABOUR = "ChildLabour"
    FORCED_MARRIAGE = "ForcedMarriage"
    SERVITUDE = "Servitude"
    FORCED_MILITARY_BY_NON_STATE_ACTORS = "ForcedMilitaryByNonStateActors"
    ORGAN_REMOVAL = "OrganRemoval"
    FORCED_BEGGING = "ForcedBegging"
    FORCED_ADOPTION = "ForcedAdoption"
    SURROGACY = "Surrogacy"
    OTHER = "Other"


class TraffickingStatus(StrEnum):
    """HTCDS vic_TraffickingStatus."""

    POSSIBLE = "PossibleVictimOfTrafficking"
    ACTUAL = "ActualVictimOfTrafficking"
    NOT_A_VICTIM = "NotAVictimOfTrafficking"


class AgeBand(StrEnum):
    """Age in the bands that rules need; `unknown` reads as a minor (DOMAIN 6.0)."""

    UNDER_13 = "under13"
    FROM_13_TO_15 = "13to15"
    FROM_16_TO_17 = "16to17"
    ADULT = "adult"
    UNKNOWN = "unknown"


class Gender(StrEnum):
    """HTCDS prs_Gender."""

    FEMININE = "Feminine"
    MASCULINE = "Masculine"
    TRANSGENDER_FEMININE = "TransgenderFeminine"
    TRANSGENDER_MASCULINE = "TransgenderMasculine"
    NON_CONFORMING = "NonConforming"
    NON_SPECIFIED_UNKNOWN = "NonSpecifiedUnknown"


class SafetyRisk(StrEnum):
    """The emitter's judgement of danger."""

    NONE = "none"
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    IMMINENT = "imminent"


class CitizenshipStatus(StrEnum):
    """As far as the duty to notify HHS needs it; nothing finer belongs outside `immigration`."""

    US_CITIZEN = "us_citizen"
    LAWFUL_PERMANENT_RESIDENT = "lawful_permanent_resident"
    FOREIGN_NATIONAL = "foreign_national"
    UNKNOWN = "unknown"


class Prosecution(StrEnum):
    """Which sovereign prosecutes, for release notices."""

    STATE = "state"
    FEDERAL = "federal"


class ConsentGrantor(StrEnum):
    """Who gave a consent."""

    SELF = "self"
    PARENT = "parent"
    GUARDIAN = "guardian"
    COURT = "court"
