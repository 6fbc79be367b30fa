"""Which parts of a condition stopped a rule, found afterwards from the facts that it was judged by.

Deciding asks for one bool per rule and nothing else; this takes the same text and the same facts apart when
somebody asks why. The parts are judged by the same engine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.routing.condition_text import Token, facts_used, read_tokens
from services.routing.conditions import Conditions
from services.routing.facts import FactValue

Facts = Mapping[str, FactValue]

_OPENING: Final = frozenset({"(", "["})
_CLOSING: Final = frozenset({")", "]"})


@dataclass(frozen=True, slots=True)
class StoppingPart:
    """A part of a condition that did not hold, and what the facts it asks for were."""

    text: str
    facts: Facts


def find_stopping(condition: str, facts: Facts) -> list[StoppingPart]:
    """The smallest parts that kept a condition from holding; none if it held.

    Of `a && b` those that did not hold; of `a || b` both, since one would have been enough. `facts` has every
    fact that the condition reads. Raises ConditionError.
    """
    return list(_descend([condition], facts))


def _descend(texts: Sequence[str], facts: Facts) -> Iterator[StoppingPart]:
    """What stopped each of these that did not hold."""
    for text, holds in zip(texts, Conditions(texts).evaluate(facts), strict=True):
        if holds:
            continue
        if parts := _split(text):
            yield from _descend(parts, facts)
        else:
            yield StoppingPart(_trim(text), {name: facts[name] for name in sorted(facts_used(text))})


def _split(text: str) -> list[str]:
    """The parts that `&&` or `||` join at the outermost level; the inside of outer brackets; else nothing."""
    tokens = read_tokens(text)
    outer = _outermost(tokens)
    joints = {token.text for token in outer}
    # A choice binds weakest, then `||`: only what binds weakest of all takes a condition apart.
    if "?" in joints:
        return []
    for joint in ("||", "&&"):
        if joint in joints:
            return _cut(text, [token for token in outer if token.text == joint])
    if tokens[0].text == "(" and _closes_at_the_end(tokens):
        return [text[tokens[0].offset + 1 : tokens[-1].offset]]
    return []


def _outermost(tokens: Sequence[Token]) -> list[Token]:
    found: list[Token] = []
    depth = 0
    for token in tokens:
        if token.kind != "operator":
            continue
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth == 0:
            found.append(token)
    return found


def _closes_at_the_end(tokens: Sequence[Token]) -> bool:
    """Whether the first bracket is closed by the last sign, as in `(a)` and unlike `(a) == (b)`."""
    depth = 0
    for token in tokens[:-1]:
        if token.kind == "operator":
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth == 0:
            return False
    return True


def _cut(text: str, joints: Sequence[Token]) -> list[str]:
    starts = [0, *(joint.offset + len(joint.text) for joint in joints)]
    ends = [*(joint.offset for joint in joints), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _trim(text: str) -> str:
    """Without the remarks and spaces around it, on one line."""
    tokens = read_tokens(text)
    last = tokens[-1]
    return " ".join(text[tokens[0].offset : last.offset + len(last.text)].split())
