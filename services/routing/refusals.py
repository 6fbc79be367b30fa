"""What an event names, and why some events must not be acted on: paths, never values."""

from typing import Final

from schemas.case_event import CaseEvent, FieldError
from schemas.vocabulary import AgencyId
from services.routing.case_state import CaseState, EventKey, EventRecord
from services.routing.decision import Directory, Member

_NOT_A_MEMBER: Final = FieldError("/source", "its agency is not in the directory")
_NOBODY: Final[frozenset[AgencyId]] = frozenset()
_NOT_OWN: Final = "names an event of another source or case"


def find_conflicts(event: CaseEvent, directory: Directory) -> frozenset[AgencyId]:
    """The agencies an event names as conflicted: told nothing, whatever becomes of the event (S-01)."""
    suspect, details = event.data.suspect, event.data.details
    if suspect is None and details is None:
        return _NOBODY
    employer = suspect.employer_agency if suspect else None
    named = frozenset((details or {}).get("conflict_agencies", ()))
    if employer is not None and directory.find_member(employer) is not None:
        return named | {employer}
    return named


def names_member(event: CaseEvent, directory: Directory) -> bool:
    """Whether an agency of the directory is named as conflicted: only then does S-01 speak."""
    return any(directory.find_member(agency) for agency in find_conflicts(event, directory))


def find_named_event(event: CaseEvent) -> EventKey | None:
    """The event that this one corrects or retracts: ids are those of its own source (DESIGN 4)."""
    named = event.data.corrects or event.data.retracts
    return None if named is None else EventKey(event.source, named)


def find_refusals(
    event: CaseEvent,
    emitter: Member | None,
    *,
    named: EventKey | None,
    earlier: EventRecord | None,
    case: CaseState,
) -> tuple[FieldError, ...]:
    """Why an event must be quarantined, as far as its own case can tell (DOMAIN 6.0.1 point 16).

    `named` is the event it corrects or retracts, `earlier` the chain of that, if the case knows it.
    """
    errors = () if emitter is not None else (_NOT_A_MEMBER,)
    if named is None or earlier is not None:
        return errors
    if any(named.id in record.ids for record in case.events):
        return (*errors, misnamed_event(event))
    return errors


def misnamed_event(event: CaseEvent) -> FieldError:
    """A correction or retraction of an event that is not its own, or of another case."""
    return FieldError("/data/corrects" if event.data.corrects else "/data/retracts", _NOT_OWN)
