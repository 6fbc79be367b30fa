"""What becomes of one event of a request, as far as it can be told without asking anybody."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from schemas.case_event import (
    EVENT_TYPES,
    MAX_EVENT_BYTES,
    CaseEvent,
    FieldError,
    InvalidEventError,
    parse_case_event,
)
from schemas.pointer import pointer
from schemas.problem import ProblemError
from schemas.vocabulary import EventId, EventType, SourceUrn
from services.intake.ingress.access import Caller
from services.intake.ingress.refusals import (
    Refusal,
    refuse_invalid,
    refuse_large_event,
    refuse_not_allowed,
    refuse_offboarded,
)

_EVENT_ID: Final = TypeAdapter(EventId)
_SOURCE: Final = TypeAdapter(SourceUrn)


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event that may be stored: as it was understood, and its `data` as it was sent."""

    event: CaseEvent = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)


def judge_event(raw: object, *, caller: Caller) -> Admitted | Refusal:
    """Whether this caller may send this event, and whether it is one."""
    if not caller.is_active:
        return refuse_offboarded()
    if not isinstance(raw, dict):
        return refuse_invalid([ProblemError(path="", message="an event is a JSON object")])
    try:
        # What is validated is what will be sealed, also where a sender wrote a key twice.
        canonical = orjson.dumps(raw)
    except orjson.JSONEncodeError:
        return refuse_invalid(list(_find_unwritable(raw)))
    if len(canonical) > MAX_EVENT_BYTES:
        return refuse_large_event(MAX_EVENT_BYTES)
    return _judge(raw, canonical, caller)


def _find_unwritable(raw: object) -> Iterable[ProblemError]:
    """Why it is no JSON that anybody could read."""
    try:
        broken = list(_find_broken_texts(raw, ""))
    except RecursionError:
        broken = []
    for path in broken:
        yield ProblemError(path=path, message="half a surrogate pair is no text")
    if not broken:
        yield ProblemError(path="", message="nested too deeply, or a number beyond 64 bits")


def _find_broken_texts(raw: object, path: str) -> Iterable[str]:
    match raw:
        case str():
            if not _is_text(raw):
                yield path
        case list():
            for index, item in enumerate(raw):
                yield from _find_broken_texts(item, f"{path}/{index}")
        case dict():
            for key, value in raw.items():
                # A key that cannot be written is told by the object that has it.
                yield from _find_broken_texts(value, path + pointer([key])) if _is_text(key) else [path]
        case _:
            return


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_event_id(raw: object) -> str | None:
    """The id to answer with, if the event has a valid one."""
    return _find(_EVENT_ID, raw, "id")


def _judge(raw: dict[str, Any], canonical: bytes, caller: Caller) -> Admitted | Refusal:
    try:
        event = parse_case_event(canonical)
    except InvalidEventError as error:
        # Somebody else's event is none of this caller's business, invalid or not.
        forbidden = list(_forbidden(caller, _find(_SOURCE, raw, "source"), _find_type(raw)))
        return refuse_not_allowed(forbidden) if forbidden else refuse_invalid(_tell(error.errors))
    forbidden = list(_forbidden(caller, event.source, event.event_type))
    return refuse_not_allowed(forbidden) if forbidden else Admitted(event, raw["data"])


def _forbidden(caller: Caller, source: str | None, event_type: EventType | None) -> Iterable[ProblemError]:
    if source is not None and source != caller.source:
        yield ProblemError(path="/source", message="this key belongs to another source")
    if event_type is not None and not caller.may_send(event_type):
        yield ProblemError(path="/type", message="this source may not send events of this type")


def _find(grammar: TypeAdapter[str], raw: object, key: str) -> str | None:
    value = raw.get(key) if isinstance(raw, dict) else None
    try:
        return grammar.validate_python(value, strict=True)
    except ValidationError:
        return None


def _find_type(raw: Mapping[str, Any]) -> EventType | None:
    name = raw.get("type")
    return EVENT_TYPES.get(name) if isinstance(name, str) else None


def _tell(errors: Iterable[FieldError]) -> list[ProblemError]:
    return [ProblemError(path=error.path, message=error.message) for error in errors]
