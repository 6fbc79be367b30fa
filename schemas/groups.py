"""The disclosure groups: the shape of each top-level key of an event's `data` (DESIGN 4).

Every model refuses unknown keys, so that a new fact cannot travel in a group whose gate does not know it.
"""

import re
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from schemas.base import Instant, Opt, WireModel
from schemas.vocabulary import (
    AgeBand,
    AgencyId,
    CitizenshipStatus,
    ConsentGrantor,
    ConsentId,
    ExploitationType,
    Gender,
    Group,
    Role,
    SafetyRisk,
    TraffickingStatus,
)

Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""One line a person or a system typed."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=65_536)]
"""Free text, as long as an event may be: 64 KiB in all."""

Code = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""A short free string."""

Codes = Annotated[list[Code], Field(max_length=100)]


_RECIPIENT: Final = f"^({'|'.join(Role)}|[a-z0-9][a-z0-9-]{{0,63}})$"


def _check_recipient(value: str) -> str:
    if re.fullmatch(_RECIPIENT, value):
        return value
    raise ValueError("must be a role or an agency id")


Recipient = Annotated[str, AfterValidator(_check_recipient), Field(json_schema_extra={"pattern": _RECIPIENT})]
"""A role (`VICTIM_SERVICES`) or an agency id (`ag-kern-vsp`)."""


class Exploitation(WireModel):
    """TYPE."""

    types: Opt[Annotated[list[ExploitationType], Field(max_length=20)]] = None
    trafficking_status: Opt[TraffickingStatus] = None


class Age(WireModel):
    """AGE. A `date_of_birth` wins over a given band."""

    band: AgeBand


class Name(WireModel):
    """NAME."""

    full: Opt[Line] = None
    aliases: Opt[Annotated[list[Line], Field(max_length=100)]] = None


class Contact(WireModel):
    """CONTACT: how to reach the person, and when it is safe to."""

    phone: Opt[Line] = None
    email: Opt[Line] = None
    safe_contact: Opt[Line] = None


class Language(WireModel):
    """LANG. A BCP 47 tag, so that Mixtec and Triqui variants can be told apart."""

    tag: Opt[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=64)]
    ] = None
    interpreter_needed: Opt[bool] = None


class Safety(WireModel):
    """SAFE."""

    risk: Opt[SafetyRisk] = None
    indicators: Opt[Codes] = None


class Location(WireModel):
    """LOC: where the person is now or is kept safe."""

    address: Opt[Line] = None
    description: Opt[Text] = None


class LastSeen(WireModel):
    """LSEEN."""

    place: Opt[Line] = None
    at: Opt[Instant] = None


class PhysicalDescription(WireModel):
    """PHYS."""

    text: Opt[Text] = None
    photo_ref: Opt[Line] = None


class Endangerment(WireModel):
    """ENDANGER: what endangers a missing child."""

    facts: Opt[Codes] = None
    text: Opt[Text] = None


class FreeText(WireModel):
    """MED, SUD, PRIV, CJI, INTEL, IMM and NARR: one text."""

    text: Opt[Text] = None


class Suspect(WireModel):
    """SUSP. `employer_agency` names a member agency that employs the suspect: a conflict (S-01)."""

    name: Opt[Line] = None
    vehicle: Opt[Line] = None
    online_handle: Opt[Line] = None
    employer_agency: Opt[AgencyId] = None


class SuspectStatus(WireModel):
    """SUSPST."""

    custody: Opt[Code] = None
    release_at: Opt[Instant] = None


class Citizenship(WireModel):
    """NATL."""

    status: CitizenshipStatus


class Employer(WireModel):
    """EMPL."""

    name: Opt[Line] = None
    worksite: Opt[Line] = None
    industry: Opt[Code] = None


class Custody(WireModel):
    """CUST: dependency or wardship; never an address."""

    status: Opt[Code] = None
    placement_type: Opt[Code] = None


class Tribe(WireModel):
    """TRIBE."""

    name: Opt[Line] = None
    enrolment: Opt[Line] = None


class Court(WireModel):
    """COURT."""

    court: Opt[Line] = None
    hearing_type: Opt[Code] = None
    at: Opt[Instant] = None


class ProtectiveOrder(WireModel):
    """ORDER."""

    type: Opt[Code] = None
    expires_at: Opt[Instant] = None


class Appointment(WireModel):
    """APPT."""

    place: Opt[Line] = None
    start: Opt[Instant] = None
    end: Opt[Instant] = None
    interview_type: Opt[Code] = None


class OperationPlan(WireModel):
    """PLAN: readiness facts only, not the date, place or target (e-Guide 3.2)."""

    window: Opt[Line] = None
    expected_victims: Opt[Annotated[int, Field(ge=0, le=100_000)]] = None
    genders: Opt[list[Gender]] = None
    minors_expected: Opt[bool] = None


class Consent(WireModel):
    """CONSENT: who may be told which groups, for what, until when (34 U.S.C. 12291(b)(2))."""

    consent_id: ConsentId
    granted_by: Opt[ConsentGrantor] = None
    recipients: Opt[Annotated[list[Recipient], Field(max_length=100)]] = None
    groups: Opt[Annotated[list[Group], Field(max_length=len(Group))]] = None
    purpose: Opt[Line] = None
    from_: Annotated[Opt[Instant], Field(alias="from")] = None
    to: Opt[Instant] = None
    part2: Opt[bool] = None


DateOfBirth = Annotated[
    date, Field(ge=date(1900, 1, 1), lt=date(2200, 1, 1), description="RFC 3339 full-date")
]
"""Within years whose eighteenth birthday the calendar can hold."""
