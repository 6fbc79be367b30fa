"""Rules that tell nobody anything another rule of the same pack does not tell at least as fast.

Which rules offer all that one rule does is found by sets of bits, one bit a rule, so that ten thousand rules
for one type of event take no longer than as many for different ones.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from schemas.pack import ConsentRecipient, ProtocolPack, RoleRecipient, Rule
from schemas.vocabulary import Basis, ConsentMode, Urgency
from services.routing.pack_file import Finding, PackDocument, Path

_Trait = tuple[str, ...]
_Footing = tuple[frozenset[str], Basis, ConsentMode]
"""All that must hold, on what basis, under which consent mode."""

_MOST_PARTS: Final = 8
"""Of a condition whose parts are looked at one by one: all their choices are tried."""


@dataclass(frozen=True, slots=True, eq=False)
class _Reach:
    """What a rule tells: all it offers, and what another must offer to stand for it."""

    place: int
    footing: _Footing
    wanted: frozenset[_Trait]
    offered: frozenset[_Trait]


class _Index:
    """Which rules offer what, as bits by place."""

    def __init__(self, reaches: Mapping[int, _Reach]) -> None:
        self._reaches: Final = reaches
        self._footings: Final = {reach.footing for reach in reaches.values()}
        self._bits: Final[defaultdict[tuple[_Footing, _Trait], int]] = defaultdict(int)
        for reach in reaches.values():
            for trait in reach.offered:
                self._bits[reach.footing, trait] |= 1 << reach.place

    def find_cover(self, reach: _Reach) -> _Reach | None:
        """The first other rule that offers all of this one; of two alike, the earlier stays."""
        covers = self._list_covers(reach, reach.footing) & ~(1 << reach.place)
        while covers:
            lowest = covers & -covers
            other = self._reaches[lowest.bit_length() - 1]
            if other.place < reach.place or not other.wanted <= reach.offered:
                return other
            covers ^= lowest
        return self._find_wider_cover(reach)

    def _find_wider_cover(self, reach: _Reach) -> _Reach | None:
        """The first that does so whenever only some of this one's condition holds."""
        wider = _list_wider(reach.footing) & self._footings
        covers = [covers for footing in wider if (covers := self._list_covers(reach, footing))]
        first = min((covers & -covers).bit_length() - 1 for covers in covers) if covers else None
        return None if first is None else self._reaches[first]

    def _list_covers(self, reach: _Reach, footing: _Footing) -> int:
        covers = -1
        for trait in reach.wanted:
            covers &= self._bits.get((footing, trait), 0)
        return covers


def find_shadows(document: PackDocument, pack: ProtocolPack) -> Iterator[Finding]:
    """Rules that another makes superfluous; of two alike, the later one."""
    footings = [_footing(rule) for rule in pack.rules]
    shared = Counter(footings)
    wider = {footing: _list_wider(footing) & shared.keys() for footing in shared}
    covering = frozenset[_Footing]().union(*wider.values())
    alike = [
        place for place, each in enumerate(footings) if shared[each] > 1 or wider[each] or each in covering
    ]
    reaches = {place: _reach(place, footings[place], pack.rules[place]) for place in alike}
    index = _Index(reaches)
    for reach in reaches.values():
        other = index.find_cover(reach)
        if other is not None:
            path: Path = ("rules", reach.place, "id")
            message = (
                f"rule {pack.rules[other.place].id} tells the same agencies all of this, at least as fast"
            )
            yield Finding(path, document.place_of(path), message)


def _footing(rule: Rule) -> _Footing:
    """What two rules must share, but for parts of the condition, before one can stand for the other."""
    return _read_parts(" ".join(rule.when.split())), rule.basis, rule.consent


def _read_parts(condition: str) -> frozenset[str]:
    """What `&&` joins; nothing where it always holds, and one piece where the text alone does not tell."""
    if condition == "true":
        return frozenset()
    if any(sign in condition for sign in ("||", "?", "(", "'")):
        return frozenset({condition})
    return frozenset(part.strip() for part in condition.split("&&"))


def _list_wider(footing: _Footing) -> set[_Footing]:
    """The same with some parts of the condition left out."""
    parts, basis, consent = footing
    if len(parts) > _MOST_PARTS:
        return {(frozenset(), basis, consent)}
    choices = (each for size in range(len(parts)) for each in combinations(parts, size))
    return {(frozenset(choice), basis, consent) for choice in choices}


def _reach(place: int, footing: _Footing, rule: Rule) -> _Reach:
    traits: set[_Trait] = {("on", event_type) for event_type in rule.on}
    traits.update(map(_recipient, rule.notify))
    traits.update(("sees", group) for group in rule.disclose)
    traits.update(("lists", group) for group in (*rule.disclose, *rule.disclose_with_consent))
    traits.update(("duty", duty.model_dump_json()) for duty in rule.duties)
    slower = {("urgency", urgency) for urgency in Urgency if urgency.rank <= rule.urgency.rank}
    return _Reach(
        place=place,
        footing=footing,
        wanted=frozenset({*traits, ("urgency", rule.urgency)}),
        offered=frozenset({*traits, *slower}),
    )


def _recipient(to: RoleRecipient | ConsentRecipient) -> _Trait:
    if isinstance(to, ConsentRecipient):
        return ("notify", to.holders_of)
    return ("notify", to.role, to.alternate or "", to.in_ or "")
