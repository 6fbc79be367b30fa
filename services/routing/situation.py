"""One event in its surroundings: what every step of a decision looks at."""

from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.case_event import CaseEvent
from schemas.vocabulary import AgencyId, Confidentiality, CountyFips, Group, Role
from services.routing.case_state import CaseState, Consent, EventRecord
from services.routing.consents import find_valid_consents, read_known_age
from services.routing.decision import Directory, Member


# Not frozen: one is made for every event, and freezing seventeen fields would cost a microsecond.
@dataclass(slots=True)
class Circumstances:
    """What eligibility and gates depend on, for an event and for the rungs of its alerts; `now` in UTC.

    `consents` are the valid ones. Nobody changes it.
    """

    directory: Directory
    conflicts: frozenset[AgencyId]
    consents: tuple[Consent, ...]
    now: datetime
    emitter_id: AgencyId
    emitter_role: Role
    gate: Confidentiality
    present: frozenset[Group]
    county: CountyFips
    exercise: bool
    safe_at_home: bool


@dataclass(slots=True)
class Situation(Circumstances):
    """The event itself besides, its emitter, and what the case knows.

    `revoked` are consents whose holders must hear of it. Clocks count from `discovered_at` or `processed_at`,
    which for a correction are those of the event it corrects (DOMAIN 6.0.1 point 15).
    """

    event: CaseEvent
    emitter: Member
    case: CaseState
    revoked: frozenset[str]
    discovered_at: datetime
    processed_at: datetime


def build_situation(
    event: CaseEvent,
    emitter: Member,
    *,
    case: CaseState,
    earlier: EventRecord | None,
    revoked: frozenset[str],
    directory: Directory,
    now: datetime,
) -> Situation:
    """Gather what deciding needs; `earlier` is the chain that the event corrects or retracts."""
    data = event.data
    now = now.astimezone(UTC)
    valid: tuple[Consent, ...] = ()
    if case.consents:
        valid = find_valid_consents(case, read_known_age(event), now=now, withdrawn=earlier)
    return Situation(
        directory=directory,
        conflicts=case.conflicts,
        consents=valid,
        now=now,
        emitter_id=emitter.id,
        emitter_role=emitter.roles[0],
        gate=emitter.gate,
        present=find_present_groups(event),
        county=data.county,
        exercise=data.flags.exercise,
        safe_at_home=data.flags.safe_at_home,
        event=event,
        emitter=emitter,
        case=case,
        revoked=revoked,
        discovered_at=find_discovered_at(event, earlier),
        processed_at=now if earlier is None else earlier.first_processed_at,
    )


def find_discovered_at(event: CaseEvent, earlier: EventRecord | None) -> datetime:
    """Since when the duty holder knew; a correction that does not say keeps what it corrects said."""
    if event.data.discovered_at is None and earlier is not None:
        return earlier.discovered_at
    return event.discovered_at


def find_present_groups(event: CaseEvent) -> frozenset[Group]:
    """The groups the event carries; `age` is there, derived, whenever `date_of_birth` is (DESIGN 4)."""
    given = event.data.groups_given
    return given | _DERIVED if event.data.date_of_birth is not None else given


_DERIVED = frozenset({Group.AGE})
