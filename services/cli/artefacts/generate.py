"""Every generated file of the repository, and which of them no longer says what the code does."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from services.cli.artefacts.artefact import Artefact
from services.cli.artefacts.asyncapi import build_asyncapi
from services.cli.artefacts.json_schemas import build_json_schemas
from services.cli.artefacts.log_catalogue import build_log_catalogue
from services.cli.artefacts.openapi import build_openapi
from services.cli.artefacts.protocol_words import build_protocol_words

GENERATED_FOLDERS: Final = ("schemas/json", "schemas/openapi")
"""Folders that hold nothing written by hand."""


def build_artefacts() -> Iterator[Artefact]:
    yield from build_json_schemas()
    yield build_asyncapi()
    yield from build_openapi()
    yield build_log_catalogue()
    yield build_protocol_words()


def find_drift(root: Path) -> list[str]:
    """Files that differ from what the code generates, are missing, or are generated no longer."""
    artefacts = list(build_artefacts())
    return [*_find_stale(artefacts, root), *find_leftovers(artefacts, root)]


def find_leftovers(artefacts: Sequence[Artefact], root: Path) -> list[str]:
    """Files in the generated folders that nothing generates any more."""
    generated = {artefact.path for artefact in artefacts}
    present = (path for folder in GENERATED_FOLDERS for path in sorted((root / folder).glob("*")))
    names = (path.relative_to(root).as_posix() for path in present)
    return [name for name in names if name not in generated]


def _find_stale(artefacts: Sequence[Artefact], root: Path) -> Iterator[str]:
    for artefact in artefacts:
        path = root / artefact.path
        if not path.exists() or path.read_text() != artefact.text:
            yield artefact.path
