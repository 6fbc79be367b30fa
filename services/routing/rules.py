"""Packs made ready to decide by: indexed by event type, conditions compiled, everything worked out once."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from schemas.pack import ConsentRecipient, DutySpec, ProtocolPack, RoleRecipient, Rule
from schemas.vocabulary import Basis, ConsentMode, CountyFips, EventType, Group, Role, Urgency
from services.routing.conditions import Conditions
from services.routing.decision import RuleConsidered, Verdict
from services.routing.facts import FACTS, FactSheet, Reading


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a rule notifies: the holders of a role, in the event's county or in each destination."""

    role: Role
    alternate: Role | None
    in_destinations: bool


@dataclass(frozen=True, slots=True, eq=False)
class ReadyRule:
    """One rule of one pack version, with what deciding needs of both.

    `rank` orders the rules of a row: by urgency, the highest first, then by id. `to_holders` tells also those
    who saw something under a consent that the event revokes.
    """

    id: str
    pack: str
    urgency: Urgency
    urgency_times: Mapping[Urgency, timedelta]
    mandated: bool
    mode: ConsentMode
    disclose: frozenset[Group]
    disclose_with_consent: frozenset[Group]
    listed: frozenset[Group]
    targets: tuple[Target, ...]
    to_holders: bool
    duties: tuple[DutySpec, ...]
    authority: tuple[str, ...]
    acknowledge_within: timedelta
    rank: tuple[int, str]
    not_matched: RuleConsidered


class Candidates:
    """The rules an event of one type can match, in one time zone: its date decides who is a minor."""

    def __init__(self, entries: Sequence[tuple[ReadyRule, str]], zone: ZoneInfo) -> None:
        """Compile rules with their conditions, which must be sound."""
        self.zone: Final = zone
        self._rules: Final = tuple(rule for rule, _ in entries)
        self._conditions: Final = Conditions([text for _, text in entries])
        self._facts: Final = tuple(FACTS[name] for name in sorted(self._conditions.facts))

    def read(self, reading: Reading) -> FactSheet:
        """What their conditions ask for."""
        return FactSheet(self.zone.key, {fact.name: fact.read(reading) for fact in self._facts})

    def judge(self, sheet: FactSheet) -> Iterator[tuple[ReadyRule, bool]]:
        """Each rule with whether its condition holds. Raises ConditionError."""
        return zip(self._rules, self._conditions.evaluate(sheet.values), strict=True)


class PackVersion:
    """One version of one pack, its rules ready and indexed by event type."""

    def __init__(self, pack: ProtocolPack, *, sha256: str = "") -> None:
        """Make a checked pack ready; its conditions must be sound. `sha256` is that of its file."""
        self.pack: Final = pack
        self.label: Final = pack.label
        self.sha256: Final = sha256
        self.zone: Final = ZoneInfo(pack.timezone)
        self.counties: Final = None if pack.applies_in is None else frozenset(pack.applies_in)
        self.rules_on: Final = _index(pack)
        self.rules: Final = {rule.id: rule for entries in self.rules_on.values() for rule, _ in entries}

    def find_condition(self, rule_id: str) -> str | None:
        """As it is written."""
        return next((rule.when for rule in self.pack.rules if rule.id == rule_id), None)


class Edition:
    """The pack versions that speak about an event: in force at an instant, and for a county.

    What an event type needs is compiled when it is first asked for, and kept. That it compiles was seen when
    the packs were checked.
    """

    def __init__(self, versions: Sequence[PackVersion]) -> None:
        self.versions: Final = tuple(versions)
        self.labels: Final = tuple(version.label for version in versions)
        self.hashes: Final = tuple(version.sha256 for version in versions)
        self._candidates: Final[dict[EventType, tuple[Candidates, ...]]] = {}

    def prepare(self) -> None:
        """Compile what every event type needs, before somebody waits for it."""
        for event_type in {on for version in self.versions for on in version.rules_on}:
            self.candidates(event_type)

    def candidates(self, event_type: EventType) -> tuple[Candidates, ...]:
        """The rules an event of this type can match: compiled together, but for packs of other time zones."""
        found = self._candidates.get(event_type)
        if found is None:
            found = self._candidates[event_type] = tuple(self._compile(event_type))
        return found

    def _compile(self, event_type: EventType) -> Iterator[Candidates]:
        by_zone: defaultdict[ZoneInfo, list[tuple[ReadyRule, str]]] = defaultdict(list)
        for version in self.versions:
            by_zone[version.zone] += version.rules_on.get(event_type, ())
        for zone, entries in by_zone.items():
            if entries:
                yield Candidates(entries, zone)


class PackSet:
    """Every loaded version of every pack."""

    def __init__(self, versions: Sequence[PackVersion]) -> None:
        self.versions: Final = tuple(sorted(versions, key=lambda v: (v.pack.in_force_from, v.label)))
        self._by_label: Final = {version.label: version for version in self.versions}
        self._changes: Final = sorted({v.pack.in_force_from.astimezone(UTC) for v in self.versions})
        self._in_force: Final = [self._newest(at) for at in self._changes]
        self._editions: Final = [_editions(versions) for versions in self._in_force]

    def in_force(self, now: datetime) -> tuple[PackVersion, ...]:
        """The version of each pack that is in force at an instant, by pack name."""
        place = bisect_right(self._changes, now)
        return self._in_force[place - 1] if place else ()

    def edition(self, now: datetime, county: CountyFips) -> Edition:
        """The versions in force at an instant that speak about a county."""
        place = bisect_right(self._changes, now)
        if not place:
            return _NOTHING_IN_FORCE
        editions = self._editions[place - 1]
        return editions.get(county) or editions[None]

    def prepare(self, now: datetime) -> None:
        """Compile what is in force at an instant and what will be, for every county."""
        first = max(bisect_right(self._changes, now) - 1, 0)
        for editions in self._editions[first:]:
            for edition in editions.values():
                edition.prepare()

    def find_version(self, label: str) -> PackVersion | None:
        """A loaded version, in force or not."""
        return self._by_label.get(label)

    def find_rule(self, label: str, rule_id: str) -> ReadyRule | None:
        """A rule of a loaded version, in force or not; None when that version is no longer loaded."""
        version = self._by_label.get(label)
        return None if version is None else version.rules.get(rule_id)

    def _newest(self, at: datetime) -> tuple[PackVersion, ...]:
        newest = {v.pack.pack: v for v in self.versions if v.pack.in_force_from <= at}
        return tuple(newest[name] for name in sorted(newest))


_NOTHING_IN_FORCE: Final = Edition(())


def _editions(versions: Sequence[PackVersion]) -> dict[CountyFips | None, Edition]:
    """The edition of every county a pack names, and under None that of all others."""
    named = {county for version in versions for county in version.counties or ()}
    made: dict[tuple[str, ...], Edition] = {}
    editions: dict[CountyFips | None, Edition] = {}
    for county in (None, *sorted(named)):
        own = [v for v in versions if v.counties is None or county in v.counties]
        editions[county] = made.setdefault(tuple(v.label for v in own), Edition(own))
    return editions


def _index(pack: ProtocolPack) -> dict[EventType, list[tuple[ReadyRule, str]]]:
    """The rules with their conditions by event type, each list by rule id."""
    urgency_times = {urgency: pack.urgencies.time_for(urgency) for urgency in Urgency}
    by_type: defaultdict[EventType, list[tuple[ReadyRule, str]]] = defaultdict(list)
    for rule in sorted(pack.rules, key=lambda rule: rule.id):
        ready = make_ready(rule, pack.label, urgency_times)
        for event_type in dict.fromkeys(rule.on):
            by_type[event_type].append((ready, rule.when.strip()))
    return dict(by_type)


def make_ready(rule: Rule, label: str, urgency_times: Mapping[Urgency, timedelta]) -> ReadyRule:
    """A checked rule with everything worked out."""
    disclose = frozenset(rule.disclose)
    return ReadyRule(
        id=rule.id,
        pack=label,
        urgency=rule.urgency,
        urgency_times=urgency_times,
        mandated=rule.basis is Basis.MANDATED,
        mode=rule.consent,
        disclose=disclose,
        disclose_with_consent=frozenset(rule.disclose_with_consent) - disclose,
        listed=disclose.union(rule.disclose_with_consent),
        targets=tuple(_target(to) for to in rule.notify if isinstance(to, RoleRecipient)),
        to_holders=any(isinstance(to, ConsentRecipient) for to in rule.notify),
        duties=tuple(rule.duties),
        authority=tuple(rule.authority),
        acknowledge_within=urgency_times[rule.urgency],
        rank=(-rule.urgency.rank, rule.id),
        not_matched=RuleConsidered(rule=rule.id, pack=label, verdict=Verdict.NOT_MATCHED),
    )


def _target(recipient: RoleRecipient) -> Target:
    return Target(recipient.role, recipient.alternate, in_destinations=recipient.in_ == "destinations")
