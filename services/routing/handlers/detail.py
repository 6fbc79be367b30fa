"""The sealed part of a decision: everything that names an event type or a group."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from schemas.case_event import FieldError
from schemas.vocabulary import Group
from services.routing.decision import RuleConsidered
from services.runtime.keyring import CaseKey


@dataclass(slots=True)
class AlertDetail:
    """Which groups one agency was and was not shown."""

    alert_id: UUID
    disclosed: frozenset[Group]
    withheld: frozenset[Group]
    duties: tuple[UUID, ...]


@dataclass(slots=True)
class DecisionDetail:
    """What the ledger keeps beside ids, times, rules and agencies."""

    event_type: str
    errors: tuple[FieldError, ...]
    considered: tuple[RuleConsidered, ...]
    alerts: tuple[AlertDetail, ...]


_DETAIL: Final = TypeAdapter(DecisionDetail)


def seal_detail(detail: DecisionDetail, *, key: CaseKey, source: str, event_id: str) -> bytes:
    return key.cipher.seal(dump_values(detail), context=_context(source, event_id))


def open_detail(sealed: bytes, *, key: CaseKey, source: str, event_id: str) -> DecisionDetail:
    """Raises SealError."""
    return _DETAIL.validate_json(key.cipher.open(sealed, context=_context(source, event_id)))


def dump_values(value: object) -> bytes:
    """JSON of dataclasses, enumerations and sets, the latter as lists in no order."""
    return orjson.dumps(value, default=_as_list, option=orjson.OPT_NON_STR_KEYS)


def _context(source: str, event_id: str) -> tuple[str, ...]:
    return ("decision", source, event_id)


def _as_list(value: object) -> object:
    if isinstance(value, frozenset):
        return list(value)
    raise TypeError(type(value).__name__)
