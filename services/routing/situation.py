"""One event in its surroundings: what every step of a decision looks at."""

from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.case_event import CaseEvent
from schemas.vocabulary import AgencyId, CountyFips, Group
from services.routing.decision import CaseState, Directory, Member


@dataclass(frozen=True, slots=True)
class Situation:
    """The event, its emitter, the directory, and what eligibility and gates depend on; `now` in UTC."""

    event: CaseEvent
    emitter: Member
    directory: Directory
    conflicts: frozenset[AgencyId]
    now: datetime
    present: frozenset[Group]
    county: CountyFips
    exercise: bool
    safe_at_home: bool


def build_situation(
    event: CaseEvent, emitter: Member, *, case: CaseState, directory: Directory, now: datetime
) -> Situation:
    """Gather what deciding needs."""
    data = event.data
    return Situation(
        event=event,
        emitter=emitter,
        directory=directory,
        conflicts=case.conflicts,
        now=now.astimezone(UTC),
        present=find_present_groups(event),
        county=data.county,
        exercise=data.flags.exercise,
        safe_at_home=data.flags.safe_at_home,
    )


def find_present_groups(event: CaseEvent) -> frozenset[Group]:
    """The groups the event carries; `age` is there, derived, whenever `date_of_birth` is (DESIGN 4)."""
    given = event.data.groups_given
    return given | _DERIVED if event.data.date_of_birth is not None else given


_DERIVED = frozenset({Group.AGE})
