"""Protocol packs as files: read, checked and compiled, or refused whole with every problem and its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.routing.rules import PackSet

SHIPPED: Final = Path(__file__).parent / "protocols"
"""The sample packs."""


@dataclass(frozen=True, slots=True)
class PackProblem:
    """One problem of a pack, at its place."""

    file: str
    line: int
    column: int
    rule: str | None
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: rule {self.rule}: {self.message}" if self.rule else f"{where}: {self.message}"


class PackErrors(Exception):  # noqa: N818 - it holds all of them
    """The packs are refused; `problems` lists every one."""

    def __init__(self, problems: Sequence[PackProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load_packs(folder: Path = SHIPPED) -> PackSet:
    """Load every pack below a folder.

    Raises PackErrors with every problem of every file: nothing is loaded by half.
    """
    raise NotImplementedError
