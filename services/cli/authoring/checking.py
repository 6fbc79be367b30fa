"""Every problem and every warning of some packs, at once and each at its place."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.directory import AgencyProfile
from services.cli.authoring.cautions import find_cautions
from services.cli.authoring.succession import find_wrong_order
from services.devstack.directory import complete_keys, read_directory
from services.devstack.keys import Keys
from services.routing.pack_check import PackProblem
from services.routing.packs import find_pack_files, read_packs


@dataclass(frozen=True, slots=True)
class Roster:
    """Who holds which role, and what to call the file that says so."""

    name: str
    agencies: Sequence[AgencyProfile]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What checking came to. Warnings are of sound packs only."""

    files: int
    rules: int
    problems: tuple[PackProblem, ...]
    warnings: tuple[PackProblem, ...]


class NoPackError(Exception):
    """There is no pack at a path that was given."""


def list_pack_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are meant: a file itself, of a folder every pack below it. Raises NoPackError."""
    found: dict[Path, Path] = {}
    for path in paths:
        files = find_pack_files(path) if path.is_dir() else [path]
        if not files or not path.exists():
            raise NoPackError(
                f"{path}: " + ("no protocol pack (*.yaml) here" if path.exists() else "not there")
            )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def load_roster(file: Path | None) -> Roster:
    """The agencies of a directory file, or of the sample. Raises DirectoryRefusedError."""
    # What keys it holds plays no part here; those it leaves out are made up.
    directory = read_directory(file, complete_keys(Keys(operator="")))
    return Roster("the sample directory" if file is None else str(file), directory.agencies)


def check_packs(files: Sequence[Path], roster: Roster) -> CheckReport:
    """Read the files, and judge what is sound in them."""
    with _many_live_objects():
        read = read_packs(files)
        warnings = [*find_wrong_order(read.packs)]
        warnings += [
            warning
            for name, document, pack in read.packs
            for warning in find_cautions(
                name, document, pack, agencies=roster.agencies, directory=roster.name
            )
        ]
    rules = sum(len(pack.rules) for _, _, pack in read.packs)
    return CheckReport(len(files), rules, read.problems, tuple(warnings))


@contextmanager
def _many_live_objects() -> Iterator[None]:
    """Millions of small values stay in use: looking for cycles among them costs a third and finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
