"""The text of a condition, read before CEL does: only what has a value for every event may stand in it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from services.routing.facts import FACTS

METHODS: Final = frozenset({"startsWith", "endsWith", "contains", "size"})
FUNCTIONS: Final = frozenset({"size"})
_WORDS: Final = frozenset({"true", "false"})
_OPERATORS: Final = frozenset(
    {"&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "(", ")", "[", "]", ",", ".", "?", ":"}
)
_ARITHMETIC: Final = "arithmetic can fail, so a condition may not use it"
_REFUSED: Final = {
    **dict.fromkeys("/%*+-", _ARITHMETIC),
    **dict.fromkeys("{}", "a condition may not build maps or messages"),
    "has": "every fact has a value: compare it with its reading when absent instead of asking has()",
    "matches": "regular expressions may not be used; use contains, startsWith or endsWith",
    "exists": "loops have a budget that a long list exhausts; write `a in list || b in list`",
    "all": "loops have a budget that a long list exhausts; write `a in list && b in list`",
}
_TOKEN: Final = re.compile(
    r"""(?P<space>(?:\s|//[^\n]*)+)
      | (?P<string>[rR]?(?:'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
      | (?P<number>[0-9]+)(?![0-9A-Za-z_.])
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<operator>&&|\|\||[!=<>]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ConditionProblem:
    """What is wrong with a condition, at a line and column of its text, both from 1."""

    line: int
    column: int
    message: str


class Token(NamedTuple):
    """One word or sign of a condition, and where it begins."""

    kind: str
    text: str
    offset: int


def find_text_problems(text: str) -> list[ConditionProblem]:
    """Unknown names, and whatever could fail for some event."""
    return [problem_at(text, offset, message) for offset, message in sorted(_find_partial(read_tokens(text)))]


def facts_used(text: str) -> frozenset[str]:
    """The facts a sound condition reads."""
    return frozenset(name for name, _ in _paths(read_tokens(text))) & FACTS.keys()


@lru_cache(maxsize=64)
def read_tokens(text: str) -> tuple[Token, ...]:
    """The words and signs of a condition, without its spaces and remarks."""
    return tuple(
        [
            Token(match.lastgroup or "operator", match.group(), match.start())
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "space"
        ]
    )


def _paths(tokens: Sequence[Token]) -> Iterator[tuple[str, Token]]:
    """Every dotted name with its first token, without the method it ends in."""
    for first, words, called in _chains(tokens):
        path = words[:-1] if called and len(words) > 1 else words
        yield ".".join(path), first


def _chains(tokens: Sequence[Token]) -> Iterator[tuple[Token, list[str], bool]]:
    """Every run of names joined by dots: its first token, its words, and whether a bracket follows."""
    place = 0
    while place < len(tokens):
        first = tokens[place]
        place += 1
        if first.kind != "name" or first.text == "in":
            continue
        words = [first.text]
        while [t.text for t in tokens[place : place + 1]] == ["."] and _is_name(tokens, place + 1):
            words.append(tokens[place + 1].text)
            place += 2
        yield first, words, [t.text for t in tokens[place : place + 1]] == ["("]


def _is_name(tokens: Sequence[Token], place: int) -> bool:
    return place < len(tokens) and tokens[place].kind == "name"


def _find_partial(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """Whatever may have no value for some event: (offset, why), in any order."""
    for token in tokens:
        if token.kind == "operator" and token.text not in _OPERATORS:
            yield token.offset, _REFUSED.get(token.text, f"`{token.text}` means nothing here")
    for before, token in pairwise(tokens):
        if (
            token.text == "["
            and (before.text in {")", "]"} or before.kind != "operator")
            and before.text != "in"
        ):
            yield token.offset, "indexing can fail; ask whether a value is `in` a list"
    after_dot = {token.offset for before, token in pairwise(tokens) if before.text == "."}
    for first, words, called in _chains(tokens):
        if first.offset in after_dot:
            yield from _find_method_problem(first, words, called=called)
        else:
            yield from _find_name_problem(first, words, called=called)


def _find_method_problem(first: Token, words: Sequence[str], *, called: bool) -> Iterator[tuple[int, str]]:
    """A name after a bracket or a text: only a call can stand there."""
    if not called or len(words) > 1 or words[0] not in METHODS:
        yield first.offset, _refusal(words[-1], called=called)


def _find_name_problem(first: Token, words: Sequence[str], *, called: bool) -> Iterator[tuple[int, str]]:
    if len(words) == 1 and (words[0] in FUNCTIONS if called else words[0] in _WORDS):
        return
    if called and (words[-1] not in METHODS or len(words) == 1):
        yield first.offset, _refusal(words[-1], called=True)
        return
    path = ".".join(words[:-1] if called else words)
    if path not in FACTS:
        yield first.offset, _unknown_fact(path)


def _refusal(word: str, *, called: bool) -> str:
    if word in _REFUSED:
        return _REFUSED[word]
    if not called:
        return _unknown_fact(word)
    return f"the function `{word}` may not be used: only {', '.join(sorted(METHODS))} can never fail"


def _unknown_fact(path: str) -> str:
    return f"unknown fact `{path}`{did_you_mean(path, FACTS)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word, or one in the wrong case; or nothing."""
    in_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), in_lower, n=1, cutoff=0.6)
    return f"; did you mean `{in_lower[close[0]]}`?" if close else ""


def problem_at(text: str, offset: int, message: str) -> ConditionProblem:
    """What is wrong at an offset of the text, at its line and column."""
    before = text[:offset]
    return ConditionProblem(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, message)
