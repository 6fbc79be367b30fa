"""One event in its surroundings: what every step of a decision looks at."""

from dataclasses import dataclass
from datetime import datetime

from schemas.case_event import CaseEvent
from schemas.vocabulary import AgencyId, CountyFips, Group
from services.routing.decision import CaseState, Directory, Member


@dataclass(frozen=True, slots=True)
class Situation:
    """The event, its emitter, the directory, and what eligibility and gates depend on."""

    event: CaseEvent
    emitter: Member
    directory: Directory
    conflicts: frozenset[AgencyId]
    now: datetime
    present: frozenset[Group]

    @property
    def county(self) -> CountyFips:
        """The event's county."""
        return self.event.data.county

    @property
    def exercise(self) -> bool:
        """Whether this is a drill."""
        return self.event.data.flags.exercise

    @property
    def safe_at_home(self) -> bool:
        """Whether the person's address is confidential by law."""
        return self.event.data.flags.safe_at_home


def build_situation(
    event: CaseEvent, emitter: Member, *, case: CaseState, directory: Directory, now: datetime
) -> Situation:
    """Gather what deciding needs."""
    return Situation(event, emitter, directory, case.conflicts, now, find_present_groups(event))


def find_present_groups(event: CaseEvent) -> frozenset[Group]:
    """The groups the event carries; `age` is there, derived, whenever `date_of_birth` is (DESIGN 4)."""
    given = event.data.groups_given
    return given | _DERIVED if event.data.date_of_birth is not None else given


_DERIVED = frozenset({Group.AGE})
