"""Conditions of rules: CEL over declared facts, total operators only, judged as one list of bools."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final, TypeAlias

from cel_expr_python import cel

from services.routing.condition_text import (
    ConditionProblem,
    Token,
    facts_used,
    find_text_problems,
    read_tokens,
)
from services.routing.facts import FACTS, FactType, FactValue

_CEL_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.+)")
_CEL_TYPES: Final = {
    FactType.BOOL: cel.Type.BOOL,
    FactType.INT: cel.Type.INT,
    FactType.STRING: cel.Type.STRING,
    FactType.STRINGS: cel.Type.List(cel.Type.STRING),
}
_ONLY_BOOLS: Final = {bool}
_REMEMBERED: Final = 1_000
"""Combinations of facts, per event type."""
_LONGEST_LIST: Final = 50_000
"""Characters of one compiled list; the engine refuses more than 100,000."""

_SAFE_DIGITS: Final = 18
"""So many digits are a number of 64 bits."""
_NESTING: Final = ("(", "[", "?", "==", "!=", "<", ">", "in")
_SHALLOW: Final = 10
"""Each of these nests two levels at most and the engine reads 32: so few are never too deep in a list."""


FrozenValue: TypeAlias = bool | int | str | tuple[str, ...]


class ConditionError(Exception):
    """The conditions of an event gave something else than one bool each, so nothing may be concluded."""


def find_condition_problems(text: str) -> list[ConditionProblem]:
    """Everything that keeps a condition from being a total bool over the declared facts."""
    problems = find_text_problems(text)
    if problems or _is_sound(" ".join(map(_shape, read_tokens(text)))):
        return problems
    return list(_find_compile_problems(text))


def _shape(token: Token) -> str:
    """A token as far as types depend on it: whatever a text says, it is a text."""
    if token.kind == "string" and "\\" not in token.text:
        return '""'
    return "0" if token.kind == "number" and len(token.text) <= _SAFE_DIGITS else token.text


@lru_cache(maxsize=1024)
def _is_sound(shape: str) -> bool:
    """Whether conditions of this shape are sound; most of a large pack share a few shapes."""
    return not any(_find_compile_problems(shape))


class Conditions:
    """The conditions of all candidate rules of one event type, evaluated together."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Compile sound conditions; `find_condition_problems` must have found nothing."""
        # Most rules share a condition with another or have none; each is judged once.
        distinct = tuple(dict.fromkeys(text for text in texts if text != "true"))
        self._programs: Final = [(_compile_list(chunk), len(chunk)) for chunk in _chunks(distinct)]
        place_of = {text: place for place, text in enumerate(distinct)}
        self._places: Final = [place_of.get(text, -1) for text in texts]
        self.facts: Final = frozenset().union(*map(facts_used, distinct))
        self._names: Final = tuple(sorted(self.facts))
        self._answers: Final = lru_cache(_REMEMBERED)(self._evaluate)

    def evaluate(self, facts: Mapping[str, FactValue]) -> Sequence[bool]:
        """One bool per condition, in order; remembered, since events repeat each other in what rules ask.

        Raises ConditionError when the engine gives anything else: an error value is truthy, so it must never
        be read as a match.
        """
        return self._answers(tuple([(name, _freeze(facts[name])) for name in self._names if name in facts]))

    def _evaluate(self, facts: tuple[tuple[str, FrozenValue], ...]) -> Sequence[bool]:
        given = {name: list(value) if isinstance(value, tuple) else value for name, value in facts}
        answers: list[bool] = []
        for program, length in self._programs:
            answers += _judge(program, length, given)
        answers.append(True)  # where place -1 points: the condition `true`
        return tuple([answers[place] for place in self._places])


def _freeze(value: FactValue) -> FrozenValue:
    return tuple(value) if isinstance(value, list) else value


def _judge(program: cel.Expression, length: int, facts: Mapping[str, FactValue]) -> list[bool]:
    try:
        answer = program.eval(data=facts).plain_value()
    except RuntimeError:
        raise ConditionError("the conditions could not be evaluated") from None
    if not isinstance(answer, list) or len(answer) != length:
        raise ConditionError("the conditions gave no list of the right length")
    if set(map(type, answer)) != _ONLY_BOOLS:
        raise ConditionError("a condition gave something else than a bool")
    return answer


@cache
def _environment() -> cel.Env:
    return cel.NewEnv(variables={fact.name: _CEL_TYPES[fact.type] for fact in FACTS.values()})


def _compile_list(texts: Sequence[str]) -> cel.Expression:
    # A line break before the bracket, since a condition may end in a comment.
    return _environment().compile("[" + ",".join(f"({text}\n)" for text in texts) + "]")


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        if chunk and size + len(text) > _LONGEST_LIST:
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += len(text) + 4
    if chunk:
        yield chunk


def _find_compile_problems(text: str) -> Iterator[ConditionProblem]:
    try:
        kind = _environment().compile(text).return_type()
    except RuntimeError as error:
        yield from _read_compile_error(str(error))
        return
    if kind != cel.Type.BOOL:
        yield ConditionProblem(1, 1, f"a condition must be true or false, and this is {kind.name()}")
        return
    if sum(map(text.count, _NESTING)) <= _SHALLOW:
        return
    try:
        _compile_list([text])
    except RuntimeError:
        yield ConditionProblem(1, 1, "nested too deeply")


def _read_compile_error(report: str) -> Iterator[ConditionProblem]:
    found = [(int(line), int(column), message) for line, column, message in _CEL_ERROR.findall(report)]
    for line, column, message in found or [(1, 1, report)]:
        brief = message.removesuffix(" [INVALID_ARGUMENT]").split(" expecting {")[0]
        yield ConditionProblem(line, column, brief)
