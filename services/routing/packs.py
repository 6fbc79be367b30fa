"""Protocol packs as files: read, checked and compiled, or refused whole with every problem and its place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
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


@dataclass(frozen=True, slots=True)
class PackSource:
    """A pack before it is read: what to call it in problems, and its bytes.

    `in_force_from` when it came into force later than it says, since it was approved later.
    """

    name: str
    raw: bytes = field(repr=False)
    in_force_from: datetime | None = None


def load_packs(folder: Path = SHIPPED) -> PackSet:
    """Load every pack below a folder.

    Raises PackErrors with every problem of every file: nothing is loaded by half.
    """
    return build_pack_set(read_folder(folder))


def read_folder(folder: Path) -> list[PackSource]:
    """Every file below a folder that is to be a pack. Raises PackErrors if there is none."""
    files = find_pack_files(folder)
    if not files:
        raise PackErrors([PackProblem(str(folder), 1, 1, None, "no protocol pack (*.yaml) here")])
    return [PackSource(str(path), path.read_bytes()) for path in files]


def build_pack_set(sources: Sequence[PackSource]) -> PackSet:
    """Raises PackErrors with every problem of all: nothing is loaded by half."""
    read = read_sources(sources)
    if read.problems:
        raise PackErrors(read.problems)
    return PackSet([PackVersion(pack, sha256=_digest(document)) for _, document, pack in read.packs])


def _digest(document: PackDocument) -> str:
    return sha256(document.text.encode()).hexdigest()


def find_pack_files(folder: Path) -> list[Path]:
    """Every file below a folder that is to be a pack."""
    return sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())


def read_packs(files: Sequence[Path]) -> ReadPacks:
    """Read and check files, each alone and all beside one another."""
    return read_sources([PackSource(str(path), path.read_bytes()) for path in files])


def read_sources(sources: Sequence[PackSource]) -> ReadPacks:
    """Read and check packs, each alone and all beside one another."""
    packs: list[tuple[str, PackDocument, ProtocolPack]] = []
    problems: list[PackProblem] = []
    for source in sources:
        found, own_problems = _read(source)
        problems += own_problems
        packs += ((source.name, document, pack) for document, pack in found)
    problems += find_clashes(packs)
    in_order = sorted(problems, key=lambda p: (p.file, p.line, p.column))
    return ReadPacks(tuple(packs), tuple(in_order))


def _read(source: PackSource) -> tuple[list[tuple[PackDocument, ProtocolPack]], list[PackProblem]]:
    try:
        document = read_pack_file(source.raw)
    except PackFileError as error:
        return [], [PackProblem(source.name, error.place.line, error.place.column, None, error.message)]
    pack, problems = check_pack(source.name, document)
    if pack is None:
        return [], problems
    if source.in_force_from is not None:
        pack = pack.model_copy(update={"in_force_from": source.in_force_from.astimezone(UTC)})
    return [(document, pack)], problems
