"""Does a run come to what its scenario expects? Differences are told in plain words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from schemas.scenario import AlertRow, Expectation, OutcomeRow, SimulationResult

Row = Mapping[str, Any]

_INSTANTS: Final = frozenset({"at", "acknowledge_by", "due"})
_NAMED_BY: Final = ("at", "event", "agency", "escalation", "kind", "rules", "outcome")


def find_differences(expected: Expectation | None, result: SimulationResult) -> list[str]:
    """Everything that differs; nothing when all is as expected."""
    if expected is None:
        return []
    document = result.model_dump(mode="json")
    differences: list[str] = []
    if expected.outcomes is not None:
        differences += _compare_rows(
            "outcome", expected.outcomes, document["outcomes"], known=frozenset(OutcomeRow.model_fields)
        )
    if expected.alerts is not None:
        rungs_count = any(row.get("escalation", 0) for row in expected.alerts)
        rows = [row for row in document["alerts"] if rungs_count or not row["escalation"]]
        differences += _compare_rows("alert", expected.alerts, rows, known=frozenset(AlertRow.model_fields))
    return differences


def _compare_rows(
    word: str, expected: Sequence[Row], actual: Sequence[Row], *, known: frozenset[str]
) -> Iterator[str]:
    """Every expected row must match exactly one row, and no other row may exist."""
    unknown = {key for row in expected for key in row.keys() - known}
    for key in sorted(unknown):
        yield f"an expected {word} has the key {key!r}, which no {word} has"
    pairs = _match(expected, actual)
    spare = [row for index, row in enumerate(actual) if index not in pairs.values()]
    for index, row in enumerate(expected):
        if index in pairs:
            continue
        nearest = _find_nearest(row, spare)
        if nearest is None:
            yield f"missing {word}: {_name(row)}"
        else:
            spare.remove(nearest)
            yield f"{word} {_name(row)}: {'; '.join(_explain(row, nearest))}"
    for row in spare:
        yield f"unexpected {word}: {_name(row)}"


def _match(expected: Sequence[Row], actual: Sequence[Row]) -> dict[int, int]:
    """The largest pairing of expected with equal actual rows (augmenting paths), as expected -> actual."""
    candidates = [[n for n, row in enumerate(actual) if _equal(wanted, row)] for wanted in expected]
    taken: dict[int, int] = {}
    for index in range(len(expected)):
        _augment(index, candidates, taken, set())
    return {wanted: found for found, wanted in taken.items()}


def _augment(index: int, candidates: Sequence[Sequence[int]], taken: dict[int, int], seen: set[int]) -> bool:
    for found in candidates[index]:
        if found in seen:
            continue
        seen.add(found)
        if found not in taken or _augment(taken[found], candidates, taken, seen):
            taken[found] = index
            return True
    return False


def _find_nearest(row: Row, spare: Sequence[Row]) -> Row | None:
    """The row that was probably meant: of the same event, and of the same agency if there is one."""
    own = [o for o in spare if all(row.get(key) in {None, o.get(key)} for key in ("event", "agency"))]
    return max(own, key=_likeness_to(row), default=None)


def _likeness_to(row: Row) -> Callable[[Row], int]:
    return lambda other: sum(
        key in other and _equal(value, other[key], key=key) for key, value in row.items()
    )


def _explain(expected: Row, actual: Row) -> Iterator[str]:
    for key, value in expected.items():
        if key in actual and not _equal(value, actual[key], key=key):
            yield _explain_key(key, value, actual[key])


def _explain_key(key: str, expected: object, actual: object) -> str:
    if isinstance(expected, list) and isinstance(actual, list):
        missing = [_show(item) for item in expected if not any(_equal(item, other) for other in actual)]
        extra = [_show(item) for item in actual if not any(_equal(other, item) for other in expected)]
        parts = [f"lacks {', '.join(missing)}"] if missing else []
        parts += [f"has {', '.join(extra)} too many"] if extra else []
        return f"{key} {' and '.join(parts)}"
    return f"{key} is {_show(actual)}, expected {_show(expected)}"


def _equal(expected: object, actual: object, *, key: str = "") -> bool:
    """Instants as instants, lists as sets, objects by the keys that are listed."""
    if isinstance(expected, Mapping):
        return isinstance(actual, Mapping) and all(
            name in actual and _equal(value, actual[name], key=name) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and all(any(_equal(item, other, key=key) for other in actual) for item in expected)
            and all(any(_equal(item, other, key=key) for item in expected) for other in actual)
        )
    if key in _INSTANTS:
        return _instant(expected) == _instant(actual)
    return expected == actual


def _instant(value: object) -> object:
    """The instant a text tells; anything else, and a text without a zone, as it is."""
    if not isinstance(value, str):
        return value
    try:
        instant = datetime.fromisoformat(value.upper())
    except ValueError:
        return value
    return value if instant.tzinfo is None else instant


def _name(row: Row) -> str:
    return " ".join(f"{key}={_show(row[key])}" for key in _NAMED_BY if key in row)


def _show(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_show, value)) + "]"
    return "nothing" if value is None else str(value)
