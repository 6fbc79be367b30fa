"""What a decision is about, and what it becomes: rows of the ledger and records to publish."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from schemas.vocabulary import Group
from services.routing.handlers.detail import AlertDetail
from services.routing.repository.rows import AlertRow, DecisionRow, DutyRow, Origin, OutboxRow, QuarantineRow
from services.runtime.keyring import CaseKey

UNKNOWN = "unknown"
"""Stands for a source, an event id, a case reference or a type that could not be read."""

Values = Callable[[frozenset[Group]], Mapping[Group, Any]]


class Matter(NamedTuple):
    """The event a decision is about, as far as it could be read.

    A record that is refused without being the one decision of its (source, id) is `identified_by_place`.
    """

    origin: Origin
    now: datetime
    directory_version: int
    key: CaseKey
    correlation_id: str
    source: str = UNKNOWN
    event_id: str = UNKNOWN
    case_ref: str = UNKNOWN
    event_type: str = UNKNOWN
    emitter: str = UNKNOWN
    identified_by_place: bool = False
    values: Values = lambda _: {}


class Told(NamedTuple):
    """One agency that is told: its row, what of it is sealed, and the record, unless it is external."""

    row: AlertRow
    detail: AlertDetail
    message: OutboxRow | None


class Line(NamedTuple):
    """A log line to write once what it tells is committed."""

    event: str
    level: str
    keys: Mapping[str, object]


@dataclass(slots=True, kw_only=True)
class Judged:
    """What one record comes to, put together step by step. `case_state` is (case reference, sealed state)."""

    decision: DecisionRow | None = None
    alerts: tuple[AlertRow, ...] = ()
    duties: tuple[DutyRow, ...] = ()
    messages: tuple[OutboxRow, ...] = ()
    quarantine: QuarantineRow | None = None
    case_state: tuple[str, bytes] | None = None
    lines: tuple[Line, ...] = ()
    is_fault: bool = False
