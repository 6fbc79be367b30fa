"""The example files of schemas/examples: what is accepted, and what is refused and why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "schemas" / "examples"
EVENTS = "case-event"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A document as it is sent or received."""

    schema: str
    name: str
    raw: bytes

    @property
    def document(self) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.raw)


@dataclass(frozen=True, slots=True)
class Refused:
    """A document with a fault; `errors` are the pointers that the refusal must name."""

    schema: str
    name: str
    why: str
    raw: bytes
    errors: tuple[str, ...]
    beyond_json_schema: str | None

    @property
    def document(self) -> Any:  # noqa: ANN401 - any JSON
        """None where the fault is that it cannot be read."""
        try:
            return json.loads(self.raw)
        except json.JSONDecodeError:
            return None


def accepted_examples() -> list[Accepted]:
    return [Accepted(schema, path.stem, path.read_bytes()) for schema, path in _files("accepted")]


def refused_examples() -> list[Refused]:
    return [_read_refused(schema, path) for schema, path in _files("refused")]


def accepted_events() -> list[Accepted]:
    return [example for example in accepted_examples() if example.schema == EVENTS]


def refused_events() -> list[Refused]:
    return [example for example in refused_examples() if example.schema == EVENTS]


def _files(verdict: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((EXAMPLES / verdict).glob("*.json")):
        yield EVENTS, path
    for path in sorted((EXAMPLES / "documents").glob(f"*/{verdict}/*.json")):
        yield path.parts[-3], path


def _read_refused(schema: str, path: Path) -> Refused:
    # Not orjson: it reads a number beyond 64 bits as a float.
    file = json.loads(path.read_text())
    raw = file["raw"].encode() if "raw" in file else _dump(file.get("event", file.get("document")))
    return Refused(schema, path.stem, file["why"], raw, tuple(file["errors"]), file.get("beyond_json_schema"))


def _dump(document: object) -> bytes:
    return json.dumps(document).encode()
