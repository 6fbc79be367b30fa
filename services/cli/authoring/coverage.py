"""What cases show of rules: each firing, each nearly firing, each part of a condition both ways."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from zoneinfo import ZoneInfo

from schemas.pack import ProtocolPack, Rule
from schemas.vocabulary import Outcome
from services.cli.authoring.domains import Scope
from services.cli.authoring.possibility import can_come_to, read_parts
from services.cli.simulation.reading import Arrival, Script
from services.cli.simulation.running import Run
from services.cli.simulation.world import Told
from services.routing.age import read_age
from services.routing.conditions import Conditions
from services.routing.decision import Verdict
from services.routing.facts import FACTS, Reading

_Shown = tuple[str | None, bool]
"""A part of a condition, or None for the whole of it, with what it came to."""


@dataclass(frozen=True)
class _Examined:
    """A rule with the parts of its condition ready to be judged."""

    rule: Rule
    zone: ZoneInfo
    parts: Sequence[str]
    scope: Scope
    shown: set[_Shown] = field(default_factory=set)

    @cached_property
    def _conditions(self) -> Conditions:
        return Conditions([part.strip() for part in self.parts])

    def take(self, arrival: Arrival, *, matched: bool) -> None:
        """Note what one event showed of the rule."""
        self.shown.add((None, matched))
        emitter = arrival.directory.find_member(arrival.event.agency)
        if not self.parts or emitter is None:
            return
        age = read_age(arrival.event.data, arrival.at.astimezone(self.zone).date())
        reading = Reading(arrival.event, emitter.role_facts, age)
        facts = {name: FACTS[name].read(reading) for name in self._conditions.facts}
        self.shown.update(zip(self.parts, self._conditions.evaluate(facts), strict=True))

    def list_wanted(self) -> Iterator[_Shown]:
        """What a case can show of the rule: nothing is asked of a condition that it cannot come to."""
        for part in (None, *dict.fromkeys(self.parts)):
            for outcome in (True, False):
                if can_come_to(self.rule.when if part is None else part, outcome=outcome, scope=self.scope):
                    yield part, outcome


@dataclass(frozen=True, slots=True)
class Gap:
    """What no case shows of a rule."""

    rule_index: int
    message: str


@dataclass(frozen=True, slots=True)
class PackCoverage:
    """How much of a pack its cases show."""

    pack: str
    shown: int
    wanted: int
    gaps: tuple[Gap, ...]


class Tally:
    """Takes runs and says what they showed of some packs."""

    def __init__(self, packs: Sequence[ProtocolPack]) -> None:
        self._packs = packs
        self._examined: Mapping[tuple[str, str], _Examined] = {
            (pack.label, rule.id): _examine(pack, rule) for pack in packs for rule in pack.rules
        }

    def take(self, script: Script, run: Run) -> None:
        """Note what the events of one case showed."""
        arrivals = [step for step in script.steps if isinstance(step, Arrival)]
        became = [entry for entry in run.entries if isinstance(entry, Told)]
        for arrival, told in zip(arrivals, became, strict=True):
            for key, matched in _find_considered(told).items():
                if key in self._examined:
                    self._examined[key].take(arrival, matched=matched)

    def sum_up(self) -> list[PackCoverage]:
        """What was shown of each pack, and what was not."""
        return [self._sum_up(pack) for pack in self._packs]

    def _sum_up(self, pack: ProtocolPack) -> PackCoverage:
        shown = wanted = 0
        gaps: list[Gap] = []
        for index, rule in enumerate(pack.rules):
            examined = self._examined[pack.label, rule.id]
            for item in examined.list_wanted():
                wanted += 1
                if item in examined.shown:
                    shown += 1
                else:
                    gaps.append(Gap(index, _word(item)))
        return PackCoverage(pack.label, shown, wanted, tuple(gaps))


def _examine(pack: ProtocolPack, rule: Rule) -> _Examined:
    counties = None if pack.applies_in is None else tuple(pack.applies_in)
    scope = Scope(frozenset(rule.on), counties)
    return _Examined(rule, ZoneInfo(pack.timezone), read_parts(rule.when), scope)


def _find_considered(told: Told) -> dict[tuple[str, str], bool]:
    """Every rule the event was judged by, and whether its condition held; not whether somebody was told."""
    if told.decision is None or told.outcome is not Outcome.ROUTED:
        return {}
    matched: defaultdict[tuple[str, str], bool] = defaultdict(bool)
    for considered in told.decision.considered:
        matched[considered.pack, considered.rule] |= considered.verdict is not Verdict.NOT_MATCHED
    return matched


def _word(item: _Shown) -> str:
    match item:
        case (None, True):
            return "no case fires it"
        case (None, False):
            return "no case nearly fires it (an event of its types, but its condition does not hold)"
        case (part, outcome):
            return f"no case shows `{' '.join((part or '').split())}` as {str(outcome).lower()}"
