"""The closed sets of words that facts hold: what an event can say, and so what a condition can ask for."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Final

from schemas.details import DETAILS
from schemas.vocabulary import (
    AgeBand,
    CitizenshipStatus,
    EventType,
    ExploitationType,
    Gender,
    Prosecution,
    Role,
    SafetyRisk,
    TraffickingStatus,
)
from services.cli.authoring.expression import Comparison, FactRead, Listed, Literal, Node, walk
from services.routing.condition_text import did_you_mean
from services.routing.facts import FACTS

_ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "age.band": AgeBand,
    "citizenship.status": CitizenshipStatus,
    "emitter.roles": Role,
    "event.type": EventType,
    "exploitation.trafficking_status": TraffickingStatus,
    "exploitation.types": ExploitationType,
    "gender": Gender,
    "prosecution": Prosecution,
    "safety.risk": SafetyRisk,
}
_UNKNOWN: Final = "unknown"
VOCABULARIES: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(dict.fromkeys([*words, *([_UNKNOWN] if FACTS[name].when_absent == f'"{_UNKNOWN}"' else [])]))
    for name, words in _ENUMS.items()
}
"""Every word a fact can hold, its reading when absent included. Facts that are not here hold any text."""

_COUNTIES: Final = frozenset({"county", "destinations", "details.from_county"})
_FIPS: Final = re.compile(r"[0-9]{5}|unknown")


@cache
def find_types_with(fact: str) -> frozenset[EventType]:
    """The event types on which a fact can say anything; a key of `details` belongs to some types only."""
    group, _, key = fact.partition(".")
    if group != "details":
        return frozenset(EventType)
    return frozenset(event_type for event_type, model in DETAILS.items() if key in model.model_fields)


def find_unknown_words(node: Node) -> Iterator[tuple[int, str]]:
    """Every text a fact is compared with that no event can hold: (offset in the condition, what is wrong)."""
    for comparison in walk(node):
        if isinstance(comparison, Comparison):
            left, right = comparison.left, comparison.right
            for fact, other in ((left, right), (right, left)):
                if isinstance(fact, FactRead):
                    yield from _find_in(fact.name, other)


def _find_in(fact: str, compared: Node) -> Iterator[tuple[int, str]]:
    for item in compared.items if isinstance(compared, Listed) else (compared,):
        if isinstance(item, Literal) and isinstance(item.written, str):
            problem = _judge(fact, item.written)
            if problem is not None:
                yield item.offset, problem


def _judge(fact: str, word: str) -> str | None:
    known = VOCABULARIES.get(fact)
    if known is not None and word not in known:
        return f"`{fact}` is never `{word}`{did_you_mean(word, known)}"
    if fact in _COUNTIES and not _FIPS.fullmatch(word):
        return f"`{fact}` is never `{word}`: a county is its five-digit FIPS code"
    return None
