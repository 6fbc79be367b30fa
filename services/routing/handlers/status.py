"""What the source of an event may learn of it: a `decided` receipt for intake."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from schemas.case_event import FieldError
from schemas.receipt import EventStatus
from schemas.sealed import duties_seal_context
from schemas.vocabulary import Group, Outcome
from services.routing.handlers.contents import write_decided
from services.routing.handlers.matter import Matter
from services.routing.repository.rows import DecisionRow, EarlierDecision

NO_ERRORS: Final = "[]"
REUSED: Final = FieldError(
    "/id",
    "this id was used before with other content, and that one counts; send this event under a new id",
)

_GROUPS: Final = frozenset(group.value for group in Group)


def find_status(outcome: Outcome) -> EventStatus:
    match outcome:
        case Outcome.ROUTED | Outcome.DUPLICATE:
            return EventStatus.DECIDED
        case Outcome.QUARANTINED:
            return EventStatus.REFUSED
        case Outcome.SUPERSEDED:
            return EventStatus.SUPERSEDED


def build_decided(matter: Matter, decision: EarlierDecision | DecisionRow) -> bytes:
    """The event's own receipt, the same however often it is built."""
    status = find_status(Outcome(decision.outcome))
    return write_decided(matter, decision, status=status, errors=decision.errors, at=decision.decided_at)


def build_reused(matter: Matter, first: EarlierDecision) -> bytes:
    """The first event keeps its status; newer than its receipt, so that the source learns of the second."""
    status = find_status(Outcome(first.outcome))
    return write_decided(matter, first, status=status, errors=render_errors([REUSED]), at=matter.now)


def render_errors(errors: Sequence[FieldError]) -> str:
    """JSON, as ledger and receipt have it.

    Paths into a group end above it: a receipt is not sealed, and that a group is there is telling.
    """
    if not errors:
        return NO_ERRORS
    shown = [{"path": _shorten(error.path), "message": error.message} for error in errors]
    return orjson.dumps(shown).decode()


def seal_duties(matter: Matter, duties: list[dict[str, Any]]) -> bytes:
    """For the event's source alone, by way of intake."""
    context = duties_seal_context(source=matter.source, event_id=matter.event_id)
    return matter.key.cipher.seal(orjson.dumps(duties, option=orjson.OPT_UTC_Z), context=context)


def _shorten(path: str) -> str:
    parts = path.split("/")
    return "/data" if parts[1:2] == ["data"] and _GROUPS.intersection(parts[2:3]) else path
