"""What a condition can come to, decided by trying every combination of facts, where they are few."""

from collections.abc import Sequence
from enum import StrEnum

from services.cli.authoring.domains import Scope, UndecidedError, find_combinations
from services.cli.authoring.expression import Facts, Junction, Node, UnreadableError
from services.cli.authoring.expression_reader import read_expression


class Likeness(StrEnum):
    """How often one condition holds, compared with another."""

    SAME = "same"
    MORE_OFTEN = "more_often"
    LESS_OFTEN = "less_often"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


def can_come_to(condition: str, *, outcome: bool, scope: Scope) -> bool:
    """Whether the condition comes to this outcome for some event; true also when that cannot be told."""
    try:
        node = read_expression(condition)
        return any(node.value(facts) is outcome for facts in find_combinations([node], scope))
    except (UnreadableError, UndecidedError):
        return True


def compare_conditions(old: str, new: str, scope: Scope) -> Likeness:
    """Whether the new condition holds for more events than the old one, or for fewer."""
    try:
        before, after = read_expression(old), read_expression(new)
        seen = {_pair(before, after, facts) for facts in find_combinations([before, after], scope)}
    except (UnreadableError, UndecidedError):
        return Likeness.SAME if old == new else Likeness.UNKNOWN
    gained, lost = (False, True) in seen, (True, False) in seen
    match (gained, lost):
        case (True, True):
            return Likeness.DIFFERENT
        case (True, False):
            return Likeness.MORE_OFTEN
        case (False, True):
            return Likeness.LESS_OFTEN
        case _:
            return Likeness.SAME


def _pair(before: Node, after: Node, facts: Facts) -> tuple[bool, bool]:
    return before.value(facts) is True, after.value(facts) is True


def read_parts(condition: str) -> Sequence[str]:
    """The texts that `&&` or `||` join at the top of a condition; none when it is one piece."""
    try:
        node = read_expression(condition)
    except UnreadableError:
        return ()
    return node.texts if isinstance(node, Junction) else ()
