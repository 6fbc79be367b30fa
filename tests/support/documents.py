"""The commands and examples that README.md and docs/ show, taken out of their fences."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", flags=re.MULTILINE | re.DOTALL)
SEPARATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One fenced block of a document."""

    document: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command of a shell example; `words[0]` is the program."""

    document: str
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0].removeprefix(".venv/bin/")


def documents() -> list[Path]:
    """What a newcomer reads: the pages at the root and in docs/, not the decision records."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def shown_blocks(language: str) -> list[Shown]:
    return [
        Shown(path.relative_to(ROOT).as_posix(), found, text)
        for path in documents()
        for _, found, text in FENCE.findall(path.read_text())
        if found == language
    ]


def shell_commands() -> list[Command]:
    """Every command of every `sh` block. What is not meant to be typed stands in a block of another kind."""
    return [
        Command(block.document, words)
        for block in shown_blocks("sh")
        for words in _simple_commands(block.text)
    ]


def _simple_commands(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in SEPARATORS:
                if words:
                    yield tuple(words)
                words = []
            elif words or not re.fullmatch(r"\w+=.*", word):
                words.append(word)
