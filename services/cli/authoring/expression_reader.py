"""Reads a sound condition into its tree, by the precedence of the conditions' language."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from services.cli.authoring.expression import (
    Call,
    Choice,
    Comparison,
    FactRead,
    Junction,
    Listed,
    Literal,
    Node,
    Not,
    UnreadableError,
)
from services.routing.condition_text import Token, read_tokens

_RELATIONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


@lru_cache(maxsize=256)
def read_expression(text: str) -> Node:
    """The tree of a sound condition. Raises UnreadableError."""
    return _Reader(text).read()


class _Reader:
    """Descends by precedence, loosest first: `? :`, `||`, `&&`, comparisons, `!`, calls."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = read_tokens(text)
        self._place = 0

    def read(self) -> Node:
        node = self._choice()
        if self._place < len(self._tokens):
            raise UnreadableError(self._tokens[self._place].text)
        return node

    def _choice(self) -> Node:
        test = self._junction("||")
        if not self._take("?"):
            return test
        yes = self._junction("||")
        self._need(":")
        return Choice(test, yes, self._choice())

    def _junction(self, operator: str) -> Node:
        parts: list[Node] = []
        texts: list[str] = []
        while not parts or self._take(operator):
            begin = self._place
            parts.append(self._junction("&&") if operator == "||" else self._relation())
            texts.append(self._cut(begin))
        return Junction(operator, tuple(parts), tuple(texts)) if len(parts) > 1 else parts[0]

    def _cut(self, begin: int) -> str:
        """The text from a token to the one before the current."""
        last = self._tokens[self._place - 1]
        return self._text[self._tokens[begin].offset : last.offset + len(last.text)]

    def _relation(self) -> Node:
        left = self._unary()
        while self._next() in _RELATIONS:
            operator = self._pop().text
            left = Comparison(operator, left, self._unary())
        return left

    def _unary(self) -> Node:
        return Not(self._unary()) if self._take("!") else self._member()

    def _member(self) -> Node:
        node = self._primary()
        while self._take("."):
            name = self._pop().text
            self._need("(")
            node = Call(name, node, tuple(self._items(")")))
        return node

    def _primary(self) -> Node:
        token = self._pop()
        match token.kind:
            case "number":
                return Literal(int(token.text), token.offset)
            case "string":
                return Literal(_read_string(token.text), token.offset)
            case "name":
                return self._name(token)
            case _ if token.text == "[":
                return Listed(tuple(self._items("]")))
            case _ if token.text == "(":
                node = self._choice()
                self._need(")")
                return node
        raise UnreadableError(token.text)

    def _name(self, first: Token) -> Node:
        if first.text in {"true", "false"}:
            return Literal(first.text == "true", first.offset)
        words = [first.text]
        while self._take("."):
            words.append(self._pop().text)
        if not self._take("("):
            return FactRead(".".join(words))
        arguments = tuple(self._items(")"))
        if len(words) == 1:
            return Call(words[0], arguments[0], arguments[1:])
        return Call(words[-1], FactRead(".".join(words[:-1])), arguments)

    def _items(self, end: str) -> Iterator[Node]:
        while not self._take(end):
            yield self._choice()
            self._take(",")

    def _next(self) -> str | None:
        return self._tokens[self._place].text if self._place < len(self._tokens) else None

    def _pop(self) -> Token:
        if self._place >= len(self._tokens):
            raise UnreadableError("the end")
        self._place += 1
        return self._tokens[self._place - 1]

    def _take(self, text: str) -> bool:
        if self._next() != text:
            return False
        self._place += 1
        return True

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise UnreadableError(text)


def _read_string(written: str) -> str:
    """The text between the quotes; one with an escape is left to the engine."""
    raw = written[0] in "rR"
    quoted = written[1:] if raw else written
    if "\\" in quoted and not raw:
        raise UnreadableError("an escape")
    quotes = 3 if quoted[:3] in {'"""', "'''"} else 1
    return quoted[quotes:-quotes]
