"""The tree of a sound condition: what it compares with what, and what it comes to for given facts.

The engine of the conditions shows no tree. This knows the part of its language that conditions may use
(docs/decisions/0020); a property test holds both to the same answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never, cast

from services.routing.facts import FactValue

Facts = Mapping[str, FactValue]


class UnreadableError(Exception):
    """The condition uses something that is not known here; nothing may be concluded about it."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a truth value, and where it stands in the condition."""

    written: bool | int | str
    offset: int

    def value(self, _facts: Facts) -> FactValue:
        return self.written


@dataclass(frozen=True, slots=True)
class FactRead:
    """A fact by its name."""

    name: str

    def value(self, facts: Facts) -> FactValue:
        return facts[self.name]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list written out."""

    items: tuple["Node", ...]

    def value(self, facts: Facts) -> FactValue:
        return cast("list[str]", [item.value(facts) for item in self.items])


@dataclass(frozen=True, slots=True)
class Call:
    """A function of a text or a list: `size`, or one that looks for a part of a text."""

    name: str
    target: "Node"
    arguments: tuple["Node", ...]

    def value(self, facts: Facts) -> FactValue:
        target = self.target.value(facts)
        if self.name == "size":
            return len(target) if isinstance(target, str | list) else 0
        return _look_for(self.name, str(target), str(self.arguments[0].value(facts)))


def _look_for(function: str, text: str, part: str) -> bool:
    match function:
        case "startsWith":
            return text.startswith(part)
        case "endsWith":
            return text.endswith(part)
        case "contains":
            return part in text
        case _:
            raise UnreadableError(function)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inner: "Node"

    def value(self, facts: Facts) -> FactValue:
        return not self.inner.value(facts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared."""

    operator: str
    left: "Node"
    right: "Node"

    def value(self, facts: Facts) -> FactValue:
        return _compare(self.operator, self.left.value(facts), self.right.value(facts))


def _compare(operator: str, left: FactValue, right: FactValue) -> bool:
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "in":
            return isinstance(right, list) and left in right
        case _ if isinstance(left, str) and isinstance(right, str):
            return _order(operator, (left > right) - (left < right))
        case _ if isinstance(left, int) and isinstance(right, int):
            return _order(operator, (left > right) - (left < right))
        case _:
            raise UnreadableError(operator)


def _order(operator: str, difference: int) -> bool:
    match operator:
        case "<":
            return difference < 0
        case "<=":
            return difference <= 0
        case ">":
            return difference > 0
        case _:
            return difference >= 0


@dataclass(frozen=True, slots=True)
class Junction:
    """Several conditions joined by one operator, `&&` or `||`, each with its text."""

    operator: str
    parts: tuple["Node", ...]
    texts: tuple[str, ...]

    def value(self, facts: Facts) -> FactValue:
        values = (part.value(facts) for part in self.parts)
        return all(values) if self.operator == "&&" else any(values)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two values: `test ? yes : no`."""

    test: "Node"
    yes: "Node"
    no: "Node"

    def value(self, facts: Facts) -> FactValue:
        return (self.yes if self.test.value(facts) else self.no).value(facts)


Node = Literal | FactRead | Listed | Call | Not | Comparison | Junction | Choice


def list_parts(node: Node) -> tuple[Node, ...]:
    """What a node is made of."""
    match node:
        case Literal() | FactRead():
            return ()
        case Listed(parts) | Junction(_, parts):
            return parts
        case Call(_, target, arguments):
            return (target, *arguments)
        case Not(inner):
            return (inner,)
        case Comparison(_, left, right):
            return (left, right)
        case Choice(test, yes, no):
            return (test, yes, no)
    assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything within it."""
    yield node
    for part in list_parts(node):
        yield from walk(part)
