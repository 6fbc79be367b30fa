"""A generated file of the repository: where it lies and what it must say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file that `tocsin schemas write` writes and nobody edits; `path` is below the repository."""

    path: str
    text: str


def build_json_artefact(path: str, document: Mapping[str, Any]) -> Artefact:
    """Keys sorted and a newline at the end, so that two machines write the same bytes."""
    return Artefact(path, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
