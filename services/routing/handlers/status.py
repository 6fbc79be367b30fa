"""What the source of an event may learn of it: a `decided` receipt for intake."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from schemas.alert import NoticeDuty
from schemas.case_event import FieldError
from schemas.receipt import Decided, EventError, EventStatus
from schemas.sealed import duties_seal_context
from schemas.vocabulary import Group, Outcome
from services.routing.repository.rows import EarlierDecision
from services.runtime.crypto import seal
from services.runtime.keyring import CaseKey

REUSED: Final = EventError(
    path="/id",
    message="this id was used before with other content, which was refused; send it again under a new id",
)

_GROUPS: Final = frozenset(group.value for group in Group)
_DUTIES: Final = TypeAdapter(list[NoticeDuty])
_ERRORS: Final = TypeAdapter(list[EventError])


def find_status(outcome: Outcome) -> EventStatus:
    match outcome:
        case Outcome.ROUTED | Outcome.DUPLICATE:
            return EventStatus.DECIDED
        case Outcome.QUARANTINED:
            return EventStatus.REFUSED
        case Outcome.SUPERSEDED:
            return EventStatus.SUPERSEDED


def build_decided(*, source: str, event_id: str, decision: EarlierDecision, correlation_id: str) -> Decided:
    return Decided(
        source=source,
        event_id=event_id,
        case_ref=decision.case_ref,
        status=find_status(Outcome(decision.outcome)),
        errors=_ERRORS.validate_json(decision.errors),
        key_id=None if decision.duties_sealed is None else decision.key_id,
        duties_sealed=decision.duties_sealed,
        at=decision.decided_at,
        correlation_id=correlation_id,
    )


def build_reused(first: Decided, *, at: datetime) -> Decided:
    """The first event keeps its status; newer than its receipt, so that the source learns of the second."""
    return first.model_copy(update={"errors": [*first.errors, REUSED], "at": at})


def hide_groups(errors: Iterable[FieldError]) -> list[EventError]:
    """Paths into a group end above it: a receipt is not sealed, and that a group is there is telling."""
    return [EventError(path=_shorten(error.path), message=error.message) for error in errors]


def _shorten(path: str) -> str:
    parts = path.split("/")
    return "/data" if parts[1:2] == ["data"] and _GROUPS.intersection(parts[2:3]) else path


def render_errors(errors: Sequence[EventError]) -> str:
    """JSON, as the ledger keeps it."""
    return _ERRORS.dump_json(list(errors)).decode()


def seal_duties(duties: list[NoticeDuty], *, key: CaseKey, source: str, event_id: str) -> bytes:
    context = duties_seal_context(source=source, event_id=event_id)
    return seal(key.secret, _DUTIES.dump_json(duties), context=context)
