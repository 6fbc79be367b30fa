"""Who else is told while nobody acknowledges: ESC-STD (DOMAIN 6.0; 6.0.1 points 22 to 25)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from schemas.vocabulary import Role, Urgency
from services.routing.case_state import CaseState, EventRecord, RowKey, SentRow
from services.routing.consents import find_valid_consents
from services.routing.decision import Directory, PlannedAlert
from services.routing.history import add_reliances, find_reliances, keep_row
from services.routing.rules import PackSet
from services.routing.rungs import ALTERNATE_RUNG, BACKUP_RUNG, Rung, Rungs
from services.routing.situation import Circumstances

LAST_RUNG: Final = 12
"""After it the alert is a dead letter, which alarms (point 22)."""


@dataclass(frozen=True, slots=True)
class Realert:
    """How often, and at most how many times, an immediate alert is told again that nobody ever took."""

    every: timedelta
    most: int


NEVER_AGAIN: Final = Realert(timedelta(0), 0)


@dataclass(frozen=True, slots=True)
class Climb:
    """What the rungs due now come to, each recipient once, and the case after them.

    `next_at` is when the row climbs again; None when it does not. `exhausted` when nobody took responsibility
    up to the last rung, or no coordinator is left to tell: the alert is a dead letter.
    """

    rungs: tuple[Rung, ...]
    case: CaseState
    next_at: datetime | None = None
    exhausted: bool = False

    @property
    def rows(self) -> tuple[PlannedAlert, ...]:
        """Who is told what."""
        return tuple(rung.row for rung in self.rungs)


def next_rung(
    alert: RowKey,
    case: CaseState,
    directory: Directory,
    packs: PackSet,
    now: datetime,
    *,
    failed: int | None = None,
    realert: Realert = NEVER_AGAIN,
) -> Climb:
    """The rungs of a row that are due at `now`; after an outage each recipient is told once.

    `failed` is a rung (0: the alert itself) of which nobody can be reached, or nobody will take it: if it is
    the one that the row stands on, the next that tells somebody else is due now, and those after it as much
    earlier. After the last rung, `realert` says how an immediate alert goes on; the protocol knows no more of
    it. Nothing when the row stands no more, somebody acknowledged it, or no rung is due.
    """
    found = case.find_row(alert)
    if found is None or found[1].stopped:
        return Climb((), case)
    record, row = found
    now, times = now.astimezone(UTC), Times.of(row, NEVER_AGAIN if record.exercise else realert)
    if row.climbed >= times.last:
        return Climb((), case)
    rungs = Rungs(record, row, _find_calling(record, case, directory, now), packs)
    if failed == row.climbed or (failed is not None and _has_left_backup(record, row)):
        row = _hasten(row, find_next_to_tell(row, rungs, times.last_rung), times, now=now)
    begun = row.at - row.ahead
    reached = times.find_reached(now - begun)
    if reached <= row.climbed:
        return Climb((), case, begun + times.find_offset(row.climbed + 1))
    due = range(row.climbed + 1, reached + 1)
    told = _collapse(rung for number in due for rung in _plan(rungs, number, times))
    climbed = replace(row, climbed=reached)
    climbed = climbed.stop() if reached == times.last else climbed
    return Climb(
        rungs=tuple(told),
        case=_remember(case, found, climbed, told, now=now),
        next_at=None if climbed.stopped else begun + times.find_offset(reached + 1),
        exhausted=_is_exhausted(due, times.last_rung, has_coordinators=rungs.has_coordinators),
    )


@dataclass(frozen=True, slots=True)
class Times:
    """When the rungs of one row are due, counted from its beginning: those of ESC-STD, then those again."""

    length: timedelta
    last_rung: int
    realert: Realert

    @classmethod
    def of(cls, row: SentRow, realert: Realert) -> Self:
        """A row to the coordinator repeats to its backup and to nobody else (point 22)."""
        length = row.acknowledge_by - row.at
        if row.role is Role.TF_COORDINATOR:
            return cls(length, BACKUP_RUNG, NEVER_AGAIN)
        return cls(length, LAST_RUNG, realert if row.urgency is Urgency.IMMEDIATE else NEVER_AGAIN)

    @property
    def last(self) -> int:
        return self.last_rung + self.realert.most

    def find_offset(self, number: int) -> timedelta:
        return self.length * min(number, self.last_rung) + self.realert.every * max(
            0, number - self.last_rung
        )

    def find_reached(self, since: timedelta) -> int:
        """The latest rung due by now."""
        beyond = since - self.find_offset(self.last_rung)
        if beyond < timedelta(0) or not self.realert.most:
            return min(since // self.length, self.last_rung)
        return min(self.last_rung + beyond // self.realert.every, self.last)


def _plan(rungs: Rungs, number: int, times: Times) -> Iterator[Rung]:
    yield from rungs.plan_again(number) if number > times.last_rung else rungs.plan(number)


def _has_left_backup(record: EventRecord, row: SentRow) -> bool:
    """Whether it stands on the backup of an agency that has a conflict: nobody there is waited for."""
    return row.climbed == BACKUP_RUNG and row.agency in record.declined


def find_next_to_tell(row: SentRow, rungs: Rungs, last: int) -> int | None:
    """The first rung that tells anybody whom the present one did not; None when there is none."""
    present = {(row.agency, row.contact)}
    if row.climbed:
        present = {(rung.row.agency, rung.row.contact) for rung in rungs.plan(row.climbed)}
    for number in range(row.climbed + 1, last + 1):
        if any((rung.row.agency, rung.row.contact) not in present for rung in rungs.plan(number)):
            return number
    return None


def _hasten(row: SentRow, number: int | None, times: Times, *, now: datetime) -> SentRow:
    """The row with this rung due at `now`, unless it is due already."""
    early = timedelta(0) if number is None else row.at + times.find_offset(number) - now
    return replace(row, ahead=max(row.ahead, early))


def find_circumstances(
    record: EventRecord, case: CaseState, directory: Directory, now: datetime
) -> Circumstances:
    """The facts of the original; consents, conflicts and the directory of now (point 24)."""
    return Circumstances(
        directory=directory,
        conflicts=case.conflicts,
        consents=find_valid_consents(case, record.age, now=now),
        now=now,
        emitter_id=record.emitter,
        emitter_role=record.emitter_role,
        gate=record.gate,
        present=record.present,
        county=record.county,
        exercise=record.exercise,
        safe_at_home=record.safe_at_home,
    )


def _find_calling(record: EventRecord, case: CaseState, directory: Directory, now: datetime) -> Circumstances:
    """For rungs, who refused for a conflict of interest is in conflict, too: called no more."""
    around = find_circumstances(record, case, directory, now)
    return replace(around, conflicts=around.conflicts | record.declined)


def _is_exhausted(due: Sequence[int], last: int, *, has_coordinators: bool) -> bool:
    """Said at the last rung; that it is told again afterwards does not say it again."""
    if last == BACKUP_RUNG:
        return False
    to_coordinators = [n for n in due if n <= last and n not in {BACKUP_RUNG, ALTERNATE_RUNG}]
    return last in due or (not has_coordinators and bool(to_coordinators))


def _collapse(rungs: Iterable[Rung]) -> list[Rung]:
    """Of several rungs due at once, each recipient hears the latest alone."""
    latest = {(rung.row.agency, rung.row.role): rung for rung in rungs}
    return sorted(latest.values(), key=lambda rung: (rung.row.escalation, rung.row.agency))


def _remember(
    case: CaseState,
    found: tuple[EventRecord, SentRow],
    climbed: SentRow,
    told: Iterable[Rung],
    *,
    now: datetime,
) -> CaseState:
    """The ladder's new place, and the alternates' rows, which a correction may update or cancel."""
    record, row = found
    alternates = [rung for rung in told if rung.row.escalation == ALTERNATE_RUNG]
    climbed = replace(climbed, alternates=row.alternates | {rung.row.agency for rung in alternates})
    standing = [climbed if each is row else each for each in record.rows]
    kept = [
        replace(keep_row(rung.row, event_id=row.event_id, shares=(), now=now), parent=row.agency)
        for rung in alternates
    ]
    case = case.with_record(record, replace(record, rows=(*standing, *kept)))
    return add_reliances(
        case,
        [
            reliance
            for rung in alternates
            for reliance in find_reliances(rung.row.agency, rung.row.role, rung.verdicts)
        ],
    )
