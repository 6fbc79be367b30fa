"""One event in its surroundings: what every step of a decision looks at."""

from dataclasses import dataclass
from datetime import datetime

from schemas.case_event import CaseEvent
from schemas.vocabulary import Group
from services.routing.decision import CaseState, Directory, Member
from services.routing.disclosure import Circumstances
from services.routing.recipients import Standing


@dataclass(frozen=True, slots=True)
class Situation:
    """The event, its emitter, the directory, and what eligibility and gates depend on."""

    event: CaseEvent
    emitter: Member
    directory: Directory
    standing: Standing
    circumstances: Circumstances

    @property
    def now(self) -> datetime:
        """The instant of processing."""
        return self.standing.now

    @property
    def county(self) -> str:
        """The event's county."""
        return self.event.data.county

    @property
    def exercise(self) -> bool:
        """Whether this is a drill."""
        return self.event.data.flags.exercise


def build_situation(
    event: CaseEvent, emitter: Member, *, case: CaseState, directory: Directory, now: datetime
) -> Situation:
    """Gather what deciding needs."""
    return Situation(
        event=event,
        emitter=emitter,
        directory=directory,
        standing=Standing(emitter=emitter.id, conflicts=case.conflicts, now=now),
        circumstances=Circumstances(
            present=find_present_groups(event),
            emitter_gate=emitter.gate,
            safe_at_home=event.data.flags.safe_at_home,
        ),
    )


def find_present_groups(event: CaseEvent) -> frozenset[Group]:
    """The groups the event carries; `age` is there, derived, whenever `date_of_birth` is (DESIGN 4)."""
    given = event.data.groups_given
    return given | {Group.AGE} if Group.DATE_OF_BIRTH in given else given
