"""What earlier events of a case left behind and later decisions need: immutable, and no group's value.

Everything a later decision asks of the past is here: consents, conflicts, how old the person is, what each
event told whom under which consent, and how far each unacknowledged alert has climbed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from schemas.vocabulary import (
    AgencyId,
    AlertKind,
    Confidentiality,
    ConsentGrantor,
    CountyFips,
    Group,
    Reason,
    Role,
    Rung,
    Urgency,
)

RULES: Final = "rules"
"""The cause of a row that rules yield; a row of S-04 or S-05 has that id for its cause."""


_NOT_AHEAD: Final = timedelta(0)


class EventKey(NamedTuple):
    """What tells events apart: ids are unique within their source alone."""

    source: str
    id: str


class RowKey(NamedTuple):
    """What tells the rows of a case apart: one event tells one agency once for each cause.

    `parent` is the agency whose alert nobody acknowledged, for the row of an alternate (rung 3).
    """

    source: str
    event_id: str
    agency: AgencyId
    cause: str
    at: datetime
    parent: AgencyId | None = None


@dataclass(frozen=True, slots=True)
class KnownAge:
    """What consents ask of an age: the day of the 18th birthday where it is known, else minor or not."""

    adult_on: date | None
    minor: bool

    def is_minor_on(self, today: date) -> bool:
        """Whether the person is under 18 on a day."""
        return self.minor if self.adult_on is None else today < self.adult_on


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent of the case. Without `to` it is only known as revoked: it can never be granted."""

    id: str
    granted_by: ConsentGrantor | None = None
    recipients: frozenset[str] = frozenset()
    groups: frozenset[Group] = frozenset()
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    part2: bool = False
    revoked_at: datetime | None = None
    revoked_in: EventKey | None = None


@dataclass(frozen=True, slots=True)
class Reliance:
    """An agency that once saw some group only because one of these consents covered it."""

    agency: AgencyId
    role: Role
    consents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Share:
    """What one rule contributed to a row: the role it told the agency under, where, and the groups."""

    rule: str
    pack: str
    role: Role
    county: CountyFips | None
    groups: frozenset[Group]


@dataclass(frozen=True, slots=True)
class KeptDuty:
    """A duty as a row carried it."""

    rule: str
    holder: AgencyId | None
    what: str
    due: datetime | None
    authority: tuple[str, ...]
    mandated: bool


@dataclass(frozen=True, slots=True)
class SentRow:
    """One row that stands. `climbed` is its last rung; `alternates` were told at rung 3.

    `ahead` is how far its ladder is ahead of its clock, because rungs were left that could reach nobody.
    `parent` is the agency in whose place an alternate was told. `stopped` once somebody acknowledged it, its
    event was corrected or retracted, or its ladder ended.
    """

    event_id: str
    agency: AgencyId
    role: Role
    contact: Rung | None
    kind: AlertKind
    rules: tuple[str, ...]
    packs: tuple[str, ...]
    urgency: Urgency
    at: datetime
    acknowledge_by: datetime
    reason: Reason | None = None
    shares: tuple[Share, ...] = ()
    duties: tuple[KeptDuty, ...] = ()
    escalation: int = 0
    climbed: int = 0
    alternates: frozenset[AgencyId] = frozenset()
    stopped: bool = False
    parent: AgencyId | None = None
    ahead: timedelta = _NOT_AHEAD

    @property
    def cause(self) -> str:
        """`rules`, or the system rule that tells of a problem."""
        return RULES if self.reason is None else self.rules[0]

    def stop(self) -> "SentRow":
        """The row once it climbs no more: what its rules contributed is needed for rungs alone."""
        return replace(self, stopped=True, shares=())


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A chain of an event and its corrections in its latest state (DOMAIN 6.0.1 points 15 and 16).

    `ids` are all its events, the original first and the latest last. `grants` is the consent that the latest
    one grants. `rows` are those that stand; `duties` the mandated ones of the latest evaluation. `declined`
    are agencies of which somebody refused what they were told of it for a conflict of interest; `taken` are
    those of which somebody acknowledged it, and who so are never in `declined`.
    """

    source: str
    ids: tuple[str, ...]
    county: CountyFips
    first_processed_at: datetime
    discovered_at: datetime
    emitter_role: Role
    gate: Confidentiality = Confidentiality.STANDARD
    present: frozenset[Group] = frozenset()
    safe_at_home: bool = False
    exercise: bool = False
    age: KnownAge | None = None
    grants: str | None = None
    rows: tuple[SentRow, ...] = ()
    duties: tuple[KeptDuty, ...] = ()
    declined: frozenset[AgencyId] = frozenset()
    taken: frozenset[AgencyId] = frozenset()

    @property
    def root(self) -> EventKey:
        """The original event."""
        return EventKey(self.source, self.ids[0])

    @property
    def emitter(self) -> AgencyId:
        """The agency that sent it."""
        return self.source.split(":")[3]


@dataclass(frozen=True, slots=True)
class CaseState:
    """What earlier events of the case settled, the chain that was processed last at the end.

    `overtaken` are originals whose correction or retraction came first: they tell nobody. `reuses` hold what
    coordinators were told of a reused id (S-05), which no correction can reach.
    """

    conflicts: frozenset[AgencyId] = frozenset()
    consents: tuple[Consent, ...] = ()
    reliances: tuple[Reliance, ...] = ()
    events: tuple[EventRecord, ...] = ()
    overtaken: frozenset[EventKey] = frozenset()
    reuses: tuple[EventRecord, ...] = ()

    @classmethod
    def empty(cls) -> "CaseState":
        """A case of which nothing is known."""
        return _EMPTY_CASE

    def find_event(self, key: EventKey) -> EventRecord | None:
        """The chain an event belongs to, or None."""
        return next((e for e in self.events if e.source == key.source and key.id in e.ids), None)

    def find_consent(self, consent_id: str) -> Consent | None:
        """A consent by its id, valid or not."""
        return next((consent for consent in self.consents if consent.id == consent_id), None)

    def with_consent(self, consent: Consent) -> "CaseState":
        """The consent added, or in place of the one with its id."""
        others = tuple(other for other in self.consents if other.id != consent.id)
        return replace(self, consents=(*others, consent))

    def find_row(self, key: RowKey) -> tuple[EventRecord, SentRow] | None:
        """A row with the chain it stands in, or None when it stands no more."""
        for record in self.records():
            for row in record.rows if record.source == key.source else ():
                if row_key(record, row) == key:
                    return record, row
        return None

    def records(self) -> Iterator[EventRecord]:
        """Every chain, and what was told of reused ids."""
        yield from self.events
        yield from self.reuses

    def with_record(self, old: EventRecord, new: EventRecord) -> "CaseState":
        """One chain replaced in its place."""
        return replace(
            self,
            events=tuple(new if each is old else each for each in self.events),
            reuses=tuple(new if each is old else each for each in self.reuses),
        )


def row_key(record: EventRecord, row: SentRow) -> RowKey:
    """The name of a row."""
    return RowKey(record.source, row.event_id, row.agency, row.cause, row.at, row.parent)


_EMPTY_CASE: Final = CaseState()
_STATE: Final = TypeAdapter(CaseState)


def write_case_state(state: CaseState) -> bytes:
    """JSON without what is as it was at first: most cases know few things."""
    return _STATE.dump_json(state, exclude_defaults=True)


def read_case_state(raw: bytes) -> CaseState:
    """Raises ValueError."""
    return _STATE.validate_json(raw)
