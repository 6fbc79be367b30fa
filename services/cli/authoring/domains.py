"""Every combination of facts that a condition can tell apart, when they are few enough to try them all.

Of a closed vocabulary every word is tried. Of an open one the words that the condition names, and one that
it does not: the condition cannot tell any two others apart, as long as it only compares. Where it does more,
as in `county.startsWith("06")`, or the combinations are too many, nothing is said.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, product
from math import prod
from typing import Final

from schemas.vocabulary import AgeBand, EventType
from services.cli.authoring.expression import (
    Call,
    Comparison,
    FactRead,
    Facts,
    Listed,
    Literal,
    Node,
    list_parts,
)
from services.cli.authoring.vocabularies import VOCABULARIES, find_types_with
from services.routing.age import Age
from services.routing.facts import FACTS, FactType, FactValue

MAX_COMBINATIONS: Final = 4096
_MOST_WORDS: Final = 10
_OTHER: Final = "\x00any other"
_AGE_FACTS: Final = frozenset({"minor", "presumed_minor", "age.band"})
_AGES: Final[tuple[dict[str, FactValue], ...]] = tuple(
    {"minor": age.minor, "presumed_minor": age.presumed_minor, "age.band": age.band.value}
    for age in map(Age, AgeBand)
)
"""The three facts of age go together."""
_NO_AGES: Final[tuple[dict[str, FactValue], ...]] = ({},)
_ABSENT: Final[Mapping[FactType, FactValue]] = {
    FactType.BOOL: False,
    FactType.INT: 0,
    FactType.STRING: "unknown",
    FactType.STRINGS: [],
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which events a condition is asked about: their types, and their counties if the pack names them."""

    event_types: frozenset[EventType]
    counties: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Use:
    """What a condition does with one fact; `more` when it is not only compared with what is written."""

    words: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    more: bool = False

    @property
    def key(self) -> tuple[frozenset[str], frozenset[int], bool]:
        """What makes two uses alike."""
        return frozenset(self.words), frozenset(self.numbers), self.more


class UndecidedError(Exception):
    """The combinations are too many, or the condition does more than compare."""


def find_combinations(nodes: Iterable[Node], scope: Scope) -> Iterator[Facts]:
    """Every combination that could make a difference to any of these conditions. Raises UndecidedError."""
    uses: defaultdict[str, _Use] = defaultdict(_Use)
    for node in nodes:
        _note(node, uses)
    names = [name for name in uses if name not in _AGE_FACTS]
    axes = [_list_values(name, *uses[name].key, scope) for name in names]
    ages = _AGES if uses.keys() & _AGE_FACTS else _NO_AGES
    if prod(map(len, axes)) * len(ages) > MAX_COMBINATIONS:
        raise UndecidedError
    return (age | dict(zip(names, values, strict=True)) for values in product(*axes) for age in ages)


@lru_cache(maxsize=4096)
def _list_values(
    name: str,
    words: frozenset[str],
    numbers: frozenset[int],
    more: bool,  # noqa: FBT001 - part of the key
    scope: Scope,
) -> tuple[FactValue, ...]:
    """What a fact can hold, as finely as the condition can tell; what it names first."""
    kind = FACTS[name].type
    use = _Use(set(words), set(numbers), more)
    if find_types_with(name).isdisjoint(scope.event_types):
        return (_ABSENT[kind],)
    match kind:
        case FactType.BOOL:
            return (True, False)
        case FactType.INT:
            return tuple(_find_numbers(use))
        case FactType.STRING:
            return tuple(_find_words(name, use, scope))
        case FactType.STRINGS:
            return tuple(_find_lists(name, use))


def _find_numbers(use: _Use) -> Sequence[int]:
    if use.more:
        raise UndecidedError
    near = {near for number in use.numbers for near in (number - 1, number, number + 1) if near >= 0}
    return sorted({0, *near}, reverse=True)


def _find_words(name: str, use: _Use, scope: Scope) -> Sequence[str]:
    if name == "event.type":
        return sorted(event_type.value for event_type in scope.event_types)
    closed = scope.counties if name == "county" else VOCABULARIES.get(name)
    if closed is not None:
        return sorted(closed, key=lambda word: word not in use.words)
    if use.more:
        raise UndecidedError
    return [*sorted(use.words), "unknown", _OTHER]


def _find_lists(name: str, use: _Use) -> Iterator[list[str]]:
    """Every set of the words named, each alone and with as many others as its size is asked for."""
    known = VOCABULARIES.get(name)
    words = sorted(use.words if known is None else use.words.intersection(known))
    most_others = max(use.numbers, default=0) + 1
    if use.more or len(words) + most_others > _MOST_WORDS:
        raise UndecidedError
    for count in range(len(words), -1, -1):
        for chosen in combinations(words, count):
            for others in range(most_others + 1):
                if chosen or others or name != "emitter.roles":  # an agency has a role
                    yield [*chosen, *[_OTHER] * others]


def _note(node: Node, uses: defaultdict[str, _Use]) -> None:
    """Gather what a condition does with each fact."""
    match node:
        case Comparison():
            _note_comparison(node, uses)
        case FactRead(name):
            uses[name].more = True
        case _:
            for part in list_parts(node):
                _note(part, uses)


def _note_comparison(node: Comparison, uses: defaultdict[str, _Use]) -> None:
    match (node.operator, node.left, node.right):
        case ("==" | "!=", FactRead(name), Literal(word)) | ("==" | "!=", Literal(word), FactRead(name)):
            _note_literal(uses[name], word)
        case ("in", Literal(word), FactRead(name)):
            _note_literal(uses[name], word)
        case ("in", FactRead(name), Listed(items)) if all(isinstance(item, Literal) for item in items):
            for item in items:
                _note_literal(uses[name], item.written)  # type: ignore[union-attr] # as the guard says
        case (_, Call("size", FactRead(name), ()), Literal(int(number))) | (
            _,
            Literal(int(number)),
            Call("size", FactRead(name), ()),
        ) if FACTS[name].type is FactType.STRINGS:
            uses[name].numbers.add(number)
        case (_, FactRead(name), Literal(int(number))) | (_, Literal(int(number)), FactRead(name)):
            uses[name].numbers.add(number)
        case (_, left, right):
            _note(left, uses)
            _note(right, uses)


def _note_literal(use: _Use, written: bool | int | str) -> None:  # noqa: FBT001 - a value, not a switch
    if isinstance(written, str):
        use.words.add(written)
    else:
        use.numbers.add(int(written))
