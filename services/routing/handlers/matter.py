"""What a decision is about, and what it becomes: rows of the ledger and records to publish."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas.alert import RungTo
from schemas.vocabulary import Group
from services.routing.handlers.detail import AlertDetail
from services.routing.repository.rows import (
    AlertRow,
    DecisionRow,
    DutyRow,
    LadderRow,
    Origin,
    OutboxRow,
    QuarantineRow,
)
from services.runtime.keyring import CaseKey

UNKNOWN = "unknown"
"""Stands for a source, an event id, a case reference or a type that could not be read."""

Values = Callable[[frozenset[Group]], Mapping[Group, Any]]


class Matter(NamedTuple):
    """The event a decision is about, as far as it could be read.

    A record that is refused without being the one decision of its (source, id) is `identified_by_place`.
    `root_id` is the original of a correction or retraction: duties are named by it.
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
    root_id: str | None = None
    values: Values = lambda _: {}


class Told(NamedTuple):
    """One agency that is told: its row, what of it is sealed, and the record, unless it is external."""

    row: AlertRow
    detail: AlertDetail
    message: OutboxRow | None


class LadderPlace(NamedTuple):
    """Of what is told because nobody acknowledged an alert: that alert, and whom it tells."""

    alert_id: UUID
    to: RungTo


class Line(NamedTuple):
    """A log line to write once what it tells is committed."""

    event: str
    level: str
    keys: Mapping[str, object]


@dataclass(slots=True, kw_only=True)
class Judged:
    """What one record comes to, put together step by step.

    `renewals` are duties of a correction, which may be there already; `reviews` are ids of duties that nobody
    renewed; `receipt` is for the event's source.
    """

    decision: DecisionRow | None = None
    alerts: tuple[AlertRow, ...] = ()
    ladders: tuple[LadderRow, ...] = ()
    duties: tuple[DutyRow, ...] = ()
    renewals: tuple[DutyRow, ...] = ()
    reviews: tuple[UUID, ...] = ()
    messages: tuple[OutboxRow, ...] = ()
    receipt: bytes | None = None
    quarantine: QuarantineRow | None = None
    lines: tuple[Line, ...] = ()
    is_fault: bool = False
