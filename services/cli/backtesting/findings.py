"""What a draft would change of the past: each alert, and each recipient that the law names and is lost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from schemas.vocabulary import AgencyId, Outcome
from services.cli.backtesting.telling import Telling, find_differences


class Effect(StrEnum):
    """What becomes of one alert."""

    LOST = "lost"
    ADDED = "added"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event that was decided: its names alone. `scenario` is the file that tells it."""

    id: str
    source: str
    at: datetime
    scenario: str | None = None


@dataclass(frozen=True, slots=True)
class AlertChange:
    """One alert that is lost (no `after`), added (no `before`) or changed.

    `escalation` is 3 for an alternate's that nobody's silence brought in.
    """

    event: PastEvent
    agency: AgencyId
    before: Telling | None
    after: Telling | None
    escalation: int = 0

    @property
    def effect(self) -> Effect:
        if self.after is None:
            return Effect.LOST
        return Effect.ADDED if self.before is None else Effect.CHANGED

    @property
    def differences(self) -> tuple[str, ...]:
        """In words; nothing where there is nothing to compare with."""
        if self.before is None or self.after is None:
            return ()
        return find_differences(self.before, self.after)


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """An event that would be refused, or would not be any more."""

    event: PastEvent
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True)
class LostRecipient:
    """An agency that a mandated rule told, and that no mandated rule would tell any more."""

    event: PastEvent
    agency: AgencyId
    rules: tuple[str, ...]
    is_still_told: bool


@dataclass(slots=True)
class Findings:
    """What decided events came to. `unread` counts events that could not be read, by the reason."""

    event_count: int = 0
    alerts: list[AlertChange] = field(default_factory=list)
    outcomes: list[OutcomeChange] = field(default_factory=list)
    lost: list[LostRecipient] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Findings") -> None:
        self.event_count += other.event_count
        self.alerts += other.alerts
        self.outcomes += other.outcomes
        self.lost += other.lost
        for reason, count in other.unread.items():
            self.skip(reason, count)

    def skip(self, reason: str, count: int = 1) -> None:
        """Some events could not be read."""
        self.unread[reason] = self.unread.get(reason, 0) + count

    def sort(self) -> None:
        """In the order of time, however the work was shared."""
        self.alerts.sort(key=lambda change: (*_order(change.event), change.agency, change.escalation))
        self.outcomes.sort(key=lambda change: _order(change.event))
        self.lost.sort(key=lambda lost: (*_order(lost.event), lost.agency))

    @property
    def changed_event_count(self) -> int:
        """How many events are decided otherwise."""
        changed = {change.event for change in self.alerts}
        changed |= {change.event for change in self.outcomes}
        return len(changed | {lost.event for lost in self.lost})


def _order(event: PastEvent) -> tuple[str, datetime, str, str]:
    return event.scenario or "", event.at, event.source, event.id


def list_agencies(alerts: Iterable[AlertChange]) -> Iterator[tuple[AgencyId, list[AlertChange]]]:
    """The changes of each agency, by its id."""
    by_agency: dict[AgencyId, list[AlertChange]] = {}
    for change in alerts:
        by_agency.setdefault(change.agency, []).append(change)
    yield from sorted(by_agency.items())
