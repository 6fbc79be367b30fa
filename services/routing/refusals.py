"""Events that nobody may act on yet: what they name is read, so that it fails closed and never by half."""

from collections.abc import Iterator

from schemas.case_event import CaseEvent, FieldError
from schemas.vocabulary import AgencyId, EventType
from services.routing.decision import Directory, Member


def find_conflicts(event: CaseEvent, directory: Directory) -> frozenset[AgencyId]:
    """The agencies an event names as conflicted: told nothing, whatever becomes of the event (S-01)."""
    employer = event.data.suspect.employer_agency if event.data.suspect else None
    named = frozenset((event.data.details or {}).get("conflict_agencies", ()))
    if employer is not None and directory.find_member(employer) is not None:
        return named | {employer}
    return named


def find_refusals(
    event: CaseEvent, emitter: Member | None, conflicts: frozenset[AgencyId]
) -> tuple[FieldError, ...]:
    """Why an event must be quarantined: paths, never values."""
    return tuple(_find_refusals(event, emitter, conflicts))


def _find_refusals(
    event: CaseEvent, emitter: Member | None, conflicts: frozenset[AgencyId]
) -> Iterator[FieldError]:
    if emitter is None:
        yield FieldError("/source", "its agency is not in the directory")
    if event.data.corrects is not None:
        yield FieldError("/data/corrects", "corrections are not honoured yet; tell those concerned yourself")
    if event.data.retracts is not None:
        yield FieldError("/data/retracts", "retractions are not honoured yet; tell those concerned yourself")
    if event.event_type is EventType.CASE_CONFLICT_DECLARED:
        yield FieldError("/data/details/conflict_agencies", "conflicts are not honoured yet")
    elif conflicts:
        yield FieldError(
            "/data/suspect/employer_agency",
            "names an agency of the directory: conflicts are not honoured yet",
        )
