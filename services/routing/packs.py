"""Protocol packs as files: read, checked and compiled, or refused whole with every problem and its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.pack import ProtocolPack
from services.routing.pack_check import PackProblem, check_pack, find_clashes
from services.routing.pack_file import PackDocument, PackFileError, read_pack_file
from services.routing.rules import PackSet, PackVersion

SHIPPED: Final = Path(__file__).parent / "protocols"
"""The sample packs."""

_SUFFIXES: Final = frozenset({".yaml", ".yml"})


class PackErrors(Exception):  # noqa: N818 - it holds all of them
    """The packs are refused; `problems` lists every one, by file and place."""

    def __init__(self, problems: Sequence[PackProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class ReadPacks:
    """What reading files came to: the sound packs with their files, and every problem of all, in order."""

    packs: tuple[tuple[str, PackDocument, ProtocolPack], ...]
    problems: tuple[PackProblem, ...]


def load_packs(folder: Path = SHIPPED) -> PackSet:
    """Load every pack below a folder.

    Raises PackErrors with every problem of every file: nothing is loaded by half.
    """
    files = find_pack_files(folder)
    if not files:
        raise PackErrors([PackProblem(str(folder), 1, 1, None, "no protocol pack (*.yaml) here")])
    read = read_packs(files)
    if read.problems:
        raise PackErrors(read.problems)
    return PackSet([PackVersion(pack) for _, _, pack in read.packs])


def find_pack_files(folder: Path) -> list[Path]:
    """Every file below a folder that is to be a pack."""
    return sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())


def read_packs(files: Sequence[Path]) -> ReadPacks:
    """Read and check files, each alone and all beside one another."""
    packs: list[tuple[str, PackDocument, ProtocolPack]] = []
    problems: list[PackProblem] = []
    for path in files:
        name = str(path)
        found, own_problems = _read(path, name)
        problems += own_problems
        packs += ((name, document, pack) for document, pack in found)
    problems += find_clashes(packs)
    in_order = sorted(problems, key=lambda p: (p.file, p.line, p.column))
    return ReadPacks(tuple(packs), tuple(in_order))


def _read(path: Path, name: str) -> tuple[list[tuple[PackDocument, ProtocolPack]], list[PackProblem]]:
    try:
        document = read_pack_file(path.read_bytes())
    except PackFileError as error:
        return [], [PackProblem(name, error.place.line, error.place.column, None, error.message)]
    pack, problems = check_pack(name, document)
    return ([] if pack is None else [(document, pack)]), problems
