"""What member systems report: the scenarios of the protocol, told as of now, and who must hear what of them.

What is expected comes from the simulator alone, which decides the same events on a virtual clock, without a
server, a log or a database.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from schemas.scenario import SimulationResult
from schemas.vocabulary import Outcome
from services.cli.simulation.reading import build_script
from services.cli.simulation.running import run_script
from services.devstack.directory import load_sample
from services.routing.packs import SHIPPED, load_packs
from tests.support.story import CaseEvent

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "tests/scenarios", SHIPPED / "ca-kern-httf/2.2.0.cases")

CLIMBED = timedelta(hours=5)
"""After so long every rung of an immediate alert was told, and those that matter of an urgent one."""
SPACED = (timedelta(minutes=20), timedelta(minutes=50), timedelta(minutes=80))

UNDRILLED = "ag-kern-tribal"
"""The agency whose system does not accept exercises."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_NAMING = ("corrects", "retracts")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that one agency is told."""

    event: str
    agency: str
    role: str
    kind: str
    rules: frozenset[str]
    urgency: str
    escalation: int
    reason: str | None
    disclosed: frozenset[str]

    @property
    def addressee(self) -> tuple[str, str]:
        """Who hears it, and as what."""
        return self.agency, self.role

    @property
    def is_climbing(self) -> bool:
        return self.kind in {"alert", "update"} and self.escalation == 0

    def matches(self, other: "Row") -> bool:
        """Whether another row may be this one, told later: rules and groups only become fewer."""
        mine = (self.event, self.agency, self.role, self.kind, self.urgency, self.escalation, self.reason)
        theirs = (
            other.event, other.agency, other.role, other.kind, other.urgency, other.escalation, other.reason
        )  # fmt: skip
        return mine == theirs and other.rules <= self.rules and other.disclosed <= self.disclosed


@dataclass(frozen=True)
class Story:
    """The events of one scenario, in the order in which they are sent, with ids of the scenario's own."""

    name: str
    events: tuple[CaseEvent, ...]

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """What is told when no time passes between the events."""
        return tuple(_rows(_simulate(self.events)))

    @cached_property
    def outcomes(self) -> dict[str, list[str]]:
        """Event id → what became of each one that came under it, duplicates left out."""
        found: dict[str, list[str]] = {}
        for told in _simulate(self.events).outcomes:
            if told.outcome is not Outcome.DUPLICATE:
                found.setdefault(told.event, []).append(told.outcome.value)
        return found

    @cached_property
    def notices(self) -> frozenset[tuple[str, str]]:
        """(event, agency): who has a duty from an event and hears nothing else of it.

        Of events that stand alone: what a correction renews is told by the updates.
        """
        alerts = _simulate(self.events).alerts
        told = {(row.event, row.agency) for row in alerts if row.contact is not None}
        due = {(row.event, duty.holder) for row in alerts for duty in row.duties if duty.holder is not None}
        plain = {event["id"] for event in self.events if not list(_named(event))}
        return frozenset((event, agency) for event, agency in due - told if event in plain)

    @cached_property
    def allowed(self) -> tuple[Row, ...]:
        """Whatever may be told: with rungs after any of the events, or between them."""
        found = set(self.rows)
        for count in range(1, len(self.events) + 1):
            found.update(_rows(_simulate(self.events[:count], until=CLIMBED)))
        for gap in SPACED:
            found.update(_rows(_simulate(self.events, gap=gap, until=CLIMBED)))
        return tuple(sorted(found, key=lambda row: (row.event, row.agency, row.escalation, row.kind)))

    @cached_property
    def conflicts(self) -> dict[str, int]:
        """Agency → the event (its place) from which on it may hear nothing of the case."""
        found: dict[str, int] = {}
        for index, event in enumerate(self.events):
            data = event["data"]
            named = [data.get("suspect", {}).get("employer_agency")]
            named += data.get("details", {}).get("conflict_agencies", [])
            for agency in filter(None, named):
                found.setdefault(agency, index)
        return found

    @cached_property
    def without_consent(self) -> tuple[Row, ...]:
        """What of it is told when nobody ever consented."""
        granted = [event for event in self.events if "consent" in event["data"]]
        rest = tuple(event for event in self.events if event not in granted)
        return tuple(_rows(_simulate(rest))) if rest else ()

    @cached_property
    def withdrawals(self) -> tuple[int, ...]:
        """The places of the events that take a consent back, or correct one."""
        consents = {event["id"] for event in self.events if _kind(event) == "consent.granted"}
        return tuple(
            index
            for index, event in enumerate(self.events)
            if _kind(event) == "consent.revoked" or consents & set(_named(event))
        )

    def is_exercise(self, event_id: str) -> bool:
        """Whether any event of this id is a drill."""
        return any(
            event["data"].get("flags", {}).get("exercise") for event in self.events if event["id"] == event_id
        )

    def is_ambiguous(self, event_id: str) -> bool:
        """Whether two sources use the id: then a telling does not say whose event it is about."""
        return len({event["source"] for event in self.events if event["id"] == event_id}) > 1

    def place(self, event_id: str) -> int:
        """Of the last event with this id."""
        return max(index for index, event in enumerate(self.events) if event["id"] == event_id)

    def is_followed(self, row: Row) -> bool:
        """Whether an update or a cancel takes the place of it, so that it need not arrive any more."""
        later = self._chain(row.event)
        return row.kind != "cancel" and any(
            other.agency == row.agency and other.kind in {"update", "cancel"} and other.event in later
            for other in self.rows
        )

    def earlier(self, row: Row) -> set[str]:
        """Ids of the events whose alerts a cancel takes back: not those that an earlier cancel took back."""
        cancels = [
            other for other in self.rows if other.kind == "cancel" and other.addressee == row.addressee
        ]
        place = self.place(row.event)
        over = max((at for other in cancels if (at := self.place(other.event)) < place), default=-1)
        return {
            event["id"]
            for event in self.events
            if over < self.place(event["id"]) < place and row.event in self._chain(event["id"])
        }

    def _chain(self, event_id: str) -> set[str]:
        """Ids of what came later and is about the same: it corrects or retracts it, or what it corrects."""
        chain, later = {event_id}, set[str]()
        for _ in self.events:
            for event in self.events:
                about = {str(event["id"]), *_named(event)}
                if len(about) > 1 and chain & about:
                    chain |= about
        for event in self.events:
            if event["id"] in chain and self.place(event["id"]) > self.place(event_id):
                later.add(event["id"])
        return later


def load_stories() -> list[Story]:
    """Every scenario that the sample task force can tell, and that comes to the same some hours later."""
    paths = [path for folder in FOLDERS for path in sorted(folder.glob("*.json"))]
    return [story for path in paths if (story := _read(path)) is not None]


def tell(story: Story, *, name: str) -> list[CaseEvent]:
    """Its events under ids and in cases of their own."""
    return [_rename(event, name) for event in story.events]


def rename_row(row: Row, name: str) -> Row:
    return replace(row, event=f"{name}-{row.event}")


def _read(path: Path) -> Story | None:
    document = orjson.loads(path.read_bytes())
    steps = document["steps"]
    is_plain = not set(document.get("directory", {})) - {"extends"} and not any(
        "directory" in step for step in steps
    )
    events = [step["event"] for step in steps if "event" in step]
    if not is_plain or not {event["source"] for event in events} <= _SOURCES or _crosses_cases(events):
        return None
    # The last happened just now, and everything before it as long before as the scenario has it.
    later = _now() - timedelta(minutes=5) - datetime.fromisoformat(steps[-1]["at"])
    moved = tuple(_move(event, later) for event in events)
    # What depends on the hour would depend on when the clock jumps.
    now, later_on = _simulate(moved), _simulate(moved, after=timedelta(hours=8))
    if list(_rows(now)) != list(_rows(later_on)):
        return None
    return Story(path.stem, moved)


def _crosses_cases(events: Sequence[CaseEvent]) -> bool:
    """Whether an id is used, corrected or retracted in two cases: they are decided in no order."""
    cases: dict[str, set[str]] = {}
    for event in events:
        for event_id in (event["id"], *_named(event)):
            cases.setdefault(event_id, set()).add(event["subject"])
    return any(len(subjects) > 1 for subjects in cases.values())


def _move(value: Any, later: timedelta) -> Any:  # noqa: ANN401 - any JSON
    """Every instant in it, later by so much; dates stay."""
    match value:
        case dict():
            return {key: _move(each, later) for key, each in value.items()}
        case list():
            return [_move(each, later) for each in value]
        case str() if _INSTANT.match(value):
            return (datetime.fromisoformat(value) + later).isoformat()
        case _:
            return value


def _rename(event: CaseEvent, name: str) -> CaseEvent:
    data = {key: f"{name}-{value}" if key in _NAMING else value for key, value in dict(event["data"]).items()}
    return {**event, "id": f"{name}-{event['id']}", "subject": f"{name}-{event['subject']}", "data": data}


def _kind(event: CaseEvent) -> str:
    return str(event["type"]).removeprefix("org.tocsin.").removesuffix(".v1")


def _named(event: CaseEvent) -> Iterator[str]:
    """Ids of events that it corrects or retracts."""
    data: Mapping[str, Any] = event["data"]
    return (data[key] for key in _NAMING if key in data)


def _simulate(
    events: Sequence[CaseEvent],
    *,
    gap: timedelta = timedelta(seconds=1),
    until: timedelta = timedelta(0),
    after: timedelta = timedelta(0),
) -> SimulationResult:
    began = _now() + after
    steps = [{"at": (began + gap * index).isoformat(), "event": event} for index, event in enumerate(events)]
    ended = (began + gap * len(events) + until).isoformat()
    script = build_script({"directory": {"agencies": _AGENCIES}, "steps": steps, "until": ended})
    return run_script(script, _PACKS).result


def _rows(result: SimulationResult) -> Iterator[Row]:
    """But for external bodies, whom Tocsin never contacts."""
    for alert in result.alerts:
        if alert.contact is not None:
            yield Row(
                event=str(alert.event),
                agency=str(alert.agency),
                role=alert.role.value,
                kind=alert.kind.value,
                rules=frozenset(alert.rules),
                urgency=alert.urgency.value,
                escalation=alert.escalation,
                reason=None if alert.reason is None else alert.reason.value,
                disclosed=frozenset(group.value for group in alert.disclosed),
            )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


_SAMPLE: Any = load_sample()
_AGENCIES = _SAMPLE["agencies"]
_SOURCES = {source["source"] for source in _SAMPLE["sources"]}
_PACKS = load_packs(SHIPPED)
