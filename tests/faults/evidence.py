"""What was seen from outside, put in order: each alert that was told, beside what the protocol says of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from tests.faults.load import Acknowledged, Case
from tests.faults.stories import Row, rename_row
from tests.faults.witnesses import Heard, Letter
from tests.support.task_force import POINTER

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ledgered:
    """What routing's ledger says of an alert, in its newest revision."""

    agency: str
    contact: str
    command: str


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen from outside, and the ledger."""

    cases: Sequence[Case]
    heard: Sequence[Heard]
    letters: Sequence[Letter]
    acknowledged: Sequence[Acknowledged]
    contacts: Mapping[tuple[str, str], str]
    """(agency, rung) → address."""
    alerts: Mapping[str, Ledgered]
    unsure: Mapping[str, Sequence[tuple[float, float]]]
    """Endpoint → from when until when nobody could tell from its answers what it has."""
    cut: Sequence[tuple[float, float]]
    """From when until when attempts may have been begun of which nothing was written down."""
    feeds: Mapping[str, Sequence[str]]
    """Agency → ids of what it could pull."""
    outcomes: Mapping[str, list[str]]
    """Event id → what became of what came under it."""
    decided: Mapping[str, str]
    """Event id → when, as the ledger's clock said."""
    offsets: Sequence[tuple[float, float]]
    epoch: float
    """What the real clock said when the monotonic one said 0."""

    @cached_property
    def case_of(self) -> dict[str, Case]:
        return {event["id"]: case for case in self.cases for event in _ids(case)}

    @cached_property
    def acknowledged_at(self) -> dict[tuple[str, str], float]:
        """(agency, event) → when it first said that somebody is responsible."""
        found: dict[tuple[str, str], float] = {}
        for one in self.acknowledged:
            key = one.agency, one.event
            found[key] = min(one.at, found.get(key, one.at))
        return found

    @cached_property
    def acknowledged_alerts(self) -> frozenset[str]:
        return frozenset(one.alert_id for one in self.acknowledged)

    @cached_property
    def written_about(self) -> frozenset[str | None]:
        """Alerts that an e-mail told of."""
        return frozenset(letter.alert_id for letter in self.letters)

    @cached_property
    def noticed(self) -> dict[tuple[str, str], frozenset[str]]:
        """(event, agency) → ids of the duty notices that came."""
        found: dict[tuple[str, str], frozenset[str]] = {}
        for one in (one for one in self.heard if one.is_notice):
            key = one.data["event_id"], one.agency
            found[key] = found.get(key, frozenset()) | {one.alert_id}
        return found

    @cached_property
    def pointed_to(self) -> frozenset[str]:
        return frozenset(heard.alert_id for heard in self.heard if heard.endpoint == POINTER)

    def find_decided(self, case: Case, place: int) -> float:
        """When, on the monotonic clock, an event of the case was decided."""
        return self.find_real(self.decided[f"{case.name}-{case.story.events[place]['id']}"])

    def find_real(self, instant: str) -> float:
        """When, on the monotonic clock, a shifted clock first said so."""
        told = datetime.fromisoformat(instant).timestamp() - self.epoch
        ends = [at for at, _ in self.offsets[1:]] + [float("inf")]
        for (began, offset), ended in zip(self.offsets, ends, strict=True):
            if began - 1 <= told - offset <= ended + 1:
                return told - offset
        return told - self.offsets[-1][1]


@dataclass(frozen=True)
class Telling:
    """One alert as its agency heard it, all its copies and revisions together."""

    alert_id: str
    agency: str
    copies: tuple[Heard, ...]
    case: Case
    told: Row
    """What its first copy said."""
    row: Row
    """What the protocol says of it."""

    @property
    def began(self) -> float:
        return self.copies[0].at


def match_tellings(evidence: Evidence) -> tuple[list[Telling], list[str]]:
    """Each alert with its row; what no rule, consent or ladder allows."""
    tellings, strange = [], []
    whole = [
        heard for heard in evidence.heard if heard.is_whole and heard.data["event_id"] in evidence.case_of
    ]
    for copies in group(whole, lambda heard: heard.alert_id).values():
        case = evidence.case_of[copies[0].data["event_id"]]
        allowed = [rename_row(row, case.name) for row in case.story.allowed]
        found = [[row for row in allowed if row.matches(_read_row(copy))] for copy in copies]
        shared = [row for row in found[0] if all(row in rows for rows in found)]
        told = _read_row(copies[0])
        if shared:
            row = min(shared, key=lambda row: (len(row.rules), len(row.disclosed)))
            tellings.append(Telling(copies[0].alert_id, copies[0].agency, tuple(copies), case, told, row))
        else:
            strange.append(f"{name_heard(copies[0])}: nothing allows it ({case.story.name}): {told}")
    return tellings, strange


def _read_row(heard: Heard) -> Row:
    data = heard.data
    return Row(
        event=data["event_id"],
        agency=data["agency"],
        role=data["role"],
        kind=data["kind"],
        rules=frozenset(data["rules"]),
        urgency=data["urgency"],
        escalation=data["escalation"],
        reason=data.get("reason"),
        disclosed=frozenset(data["disclosed"]),
    )


def group(items: Iterable[T], key: Callable[[T], object]) -> dict[object, list[T]]:
    """In the order of the items."""
    groups: dict[object, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _ids(case: Case) -> Iterator[dict[str, str]]:
    return ({"id": f"{case.name}-{event['id']}"} for event in case.story.events)


def name_heard(heard: Heard) -> str:
    about = heard.data.get("event_id", "?") if heard.is_alert else "notice"
    return f"{heard.endpoint} {heard.webhook_id} ({about})"
