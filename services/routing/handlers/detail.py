"""The sealed part of a decision: everything that names an event type or a group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from schemas.case_event import FieldError
from schemas.vocabulary import Group
from services.routing.case_state import Share
from services.routing.decision import RuleConsidered
from services.routing.facts import FactSheet
from services.runtime.keyring import CaseKey


@dataclass(slots=True)
class AlertDetail:
    """Which groups one agency was and was not shown, and until when it may see those that end."""

    alert_id: UUID
    disclosed: frozenset[Group]
    withheld: frozenset[Group]
    duties: tuple[UUID, ...]
    until: Mapping[Group, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class DecisionDetail:
    """What the ledger keeps beside ids, times, rules and agencies; conditions were judged by the `sheets`."""

    event_type: str
    errors: tuple[FieldError, ...]
    considered: tuple[RuleConsidered, ...]
    alerts: tuple[AlertDetail, ...]
    sheets: tuple[FactSheet, ...] = ()


@dataclass(slots=True)
class ToldDetail:
    """The same of a rung or an amendment, with what each rule contributed: no decision has it."""

    disclosed: frozenset[Group]
    withheld: frozenset[Group]
    duties: tuple[UUID, ...]
    shares: tuple[Share, ...]
    until: Mapping[Group, datetime] = field(default_factory=dict)


_TOLD: Final = TypeAdapter(ToldDetail)
_DETAIL: Final = TypeAdapter(DecisionDetail)


def seal_detail(detail: DecisionDetail, *, key: CaseKey, source: str, event_id: str) -> bytes:
    return key.cipher.seal(dump_values(detail), context=_context(source, event_id))


def open_detail(sealed: bytes, *, key: CaseKey, source: str, event_id: str) -> DecisionDetail:
    """Raises SealError."""
    return _DETAIL.validate_json(key.cipher.open(sealed, context=_context(source, event_id)))


def seal_told_detail(detail: ToldDetail, *, key: CaseKey, alert_id: UUID, revision: int) -> bytes:
    return key.cipher.seal(dump_values(detail), context=_told_context(alert_id, revision))


def open_told_detail(sealed: bytes, *, key: CaseKey, alert_id: UUID, revision: int) -> ToldDetail:
    """Raises SealError."""
    return _TOLD.validate_json(key.cipher.open(sealed, context=_told_context(alert_id, revision)))


def seal_values(values: Mapping[Group, Any], *, key: CaseKey, source: str, event_id: str) -> bytes:
    """The values of groups, as alerts show them."""
    plaintext = orjson.dumps(values, option=orjson.OPT_NON_STR_KEYS)
    return key.cipher.seal(plaintext, context=_values_context(source, event_id))


def open_values(sealed: bytes | None, *, key: CaseKey, source: str, event_id: str) -> Mapping[Group, Any]:
    """Raises SealError."""
    if sealed is None:
        return {}
    plaintext = key.cipher.open(sealed, context=_values_context(source, event_id))
    return {Group(name): value for name, value in orjson.loads(plaintext).items()}


def dump_values(value: object) -> bytes:
    """JSON of dataclasses, enumerations and sets, the latter as lists in no order."""
    return orjson.dumps(value, default=_as_list, option=orjson.OPT_NON_STR_KEYS)


def _context(source: str, event_id: str) -> tuple[str, ...]:
    return ("decision", source, event_id)


def _told_context(alert_id: UUID, revision: int) -> tuple[str, ...]:
    return ("told", str(alert_id), str(revision))


def _values_context(source: str, event_id: str) -> tuple[str, ...]:
    return ("disclosed", source, event_id)


def _as_list(value: object) -> object:
    if isinstance(value, frozenset):
        return list(value)
    raise TypeError(type(value).__name__)
