"""Packs made ready to decide by: indexed by event type, conditions compiled, everything worked out once."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from schemas.pack import ConsentRecipient, DutySpec, ProtocolPack, RoleRecipient, Rule
from schemas.vocabulary import Basis, ConsentMode, CountyFips, EventType, Group, Role, Urgency
from services.routing.conditions import Conditions
from services.routing.decision import RuleConsidered, Verdict
from services.routing.facts import FACTS, Fact, Reading


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a rule notifies: the holders of a role, in the event's county or in each destination."""

    role: Role
    alternate: Role | None
    in_destinations: bool


@dataclass(frozen=True, slots=True, eq=False)
class ReadyRule:
    """One rule of one pack version, with what deciding needs of both."""

    id: str
    pack: str
    urgency: Urgency
    urgency_times: Mapping[Urgency, timedelta]
    mandated: bool
    mode: ConsentMode
    disclose: frozenset[Group]
    disclose_with_consent: frozenset[Group]
    targets: tuple[Target, ...]
    honoured: bool
    duties: tuple[DutySpec, ...]
    authority: tuple[str, ...]
    not_matched: RuleConsidered

    @property
    def rank(self) -> tuple[int, str]:
        """Order within a row: by urgency, the highest first, then by rule id."""
        return (-self.urgency.rank, self.id)

    @property
    def acknowledge_within(self) -> timedelta:
        """How long the recipient has."""
        return self.urgency_times[self.urgency]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rules of one pack version that an event type can match."""

    rules: tuple[ReadyRule, ...]
    conditions: Conditions
    facts: tuple[Fact, ...]

    def judge(self, reading: Reading) -> Iterator[tuple[ReadyRule, bool]]:
        """Each rule with whether its condition holds. Raises ConditionError."""
        values = {fact.name: fact.read(reading) for fact in self.facts}
        return zip(self.rules, self.conditions.evaluate(values), strict=True)


@dataclass(frozen=True, slots=True)
class NotHonoured:
    """A feature of a rule that the engine reads but does not act on: it then tells less, never more."""

    pack: str
    rule: str
    feature: str


class PackVersion:
    """One version of one pack, compiled."""

    def __init__(self, pack: ProtocolPack) -> None:
        """Compile a checked pack; its conditions must be sound."""
        self.pack: Final = pack
        self.label: Final = pack.label
        self.zone: Final = ZoneInfo(pack.timezone)
        self._counties: Final = None if pack.applies_in is None else frozenset(pack.applies_in)
        self._candidates: Final = _index(pack)

    def applies_in(self, county: CountyFips) -> bool:
        """Whether the pack speaks about events of the county."""
        return self._counties is None or county in self._counties

    def candidates(self, event_type: EventType) -> Candidates | None:
        """The rules an event of this type can match, or None."""
        return self._candidates.get(event_type)

    @cached_property
    def not_honoured(self) -> tuple[NotHonoured, ...]:
        """What its rules say that is not acted on yet."""
        return tuple(
            NotHonoured(self.label, rule.id, feature)
            for rule in self.pack.rules
            for feature in _unhonoured_features(rule)
        )


class PackSet:
    """Every loaded version of every pack."""

    def __init__(self, versions: Sequence[PackVersion]) -> None:
        self.versions: Final = tuple(sorted(versions, key=lambda v: (v.pack.in_force_from, v.label)))
        self.not_honoured: Final = tuple(f for version in self.versions for f in version.not_honoured)
        self._changes: Final = sorted({version.pack.in_force_from for version in self.versions})
        self._in_force: Final = [self._newest(at) for at in self._changes]

    def in_force(self, now: datetime) -> tuple[PackVersion, ...]:
        """The version of each pack that is in force at an instant, by pack name."""
        place = bisect_right(self._changes, now)
        return self._in_force[place - 1] if place else ()

    def _newest(self, at: datetime) -> tuple[PackVersion, ...]:
        newest = {v.pack.pack: v for v in self.versions if v.pack.in_force_from <= at}
        return tuple(newest[name] for name in sorted(newest))


def _index(pack: ProtocolPack) -> dict[EventType, Candidates]:
    urgency_times = {urgency: pack.urgencies.time_for(urgency) for urgency in Urgency}
    by_type: defaultdict[EventType, list[tuple[ReadyRule, str]]] = defaultdict(list)
    for rule in sorted(pack.rules, key=lambda rule: rule.id):
        ready = _make_ready(rule, pack.label, urgency_times)
        for event_type in dict.fromkeys(rule.on):
            by_type[event_type].append((ready, rule.when.strip()))
    return {event_type: _candidates(entries) for event_type, entries in by_type.items()}


def _candidates(entries: Sequence[tuple[ReadyRule, str]]) -> Candidates:
    conditions = Conditions([text for _, text in entries])
    facts = tuple(FACTS[name] for name in sorted(conditions.facts))
    return Candidates(tuple(rule for rule, _ in entries), conditions, facts)


def _make_ready(rule: Rule, label: str, urgency_times: Mapping[Urgency, timedelta]) -> ReadyRule:
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
        targets=tuple(_target(to) for to in rule.notify if isinstance(to, RoleRecipient)),
        honoured=not any(isinstance(to, ConsentRecipient) for to in rule.notify),
        duties=tuple(rule.duties),
        authority=tuple(rule.authority),
        not_matched=RuleConsidered(rule=rule.id, pack=label, verdict=Verdict.NOT_MATCHED),
    )


def _target(recipient: RoleRecipient) -> Target:
    return Target(recipient.role, recipient.alternate, in_destinations=recipient.in_ == "destinations")


def _unhonoured_features(rule: Rule) -> Iterator[str]:
    if any(isinstance(to, ConsentRecipient) for to in rule.notify):
        yield "notify holders_of consent: tells nobody"
    if rule.consent is ConsentMode.REQUIRED:
        yield "consent required: always skipped, and the emitter is told so"
    if rule.consent is ConsentMode.BASE and rule.disclose_with_consent:
        yield "disclose_with_consent: never disclosed"
