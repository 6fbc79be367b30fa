"""From files to events: one JSON event, an array of them, or one on each line (NDJSON)."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

STDIN: Final = Path("-")


class UnreadableError(Exception):
    """A file cannot be read as events; the text says where, and nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class EventToSend:
    """One event as the file has it, and where it came from."""

    origin: str
    document: dict[str, Any] = field(repr=False)

    @property
    def source(self) -> str | None:
        """The source it names, if it names one."""
        source = self.document.get("source")
        return source if isinstance(source, str) else None

    @property
    def id(self) -> str | None:
        """The id it has, if it has one."""
        event_id = self.document.get("id")
        return event_id if isinstance(event_id, str) else None


def read_events(paths: Iterable[Path]) -> list[EventToSend]:
    """Every event of the files, in order; `-` is standard input. Raises UnreadableError."""
    return [event for path in paths for event in _read_file(path)]


def _read_file(path: Path) -> Iterator[EventToSend]:
    name = "standard input" if path == STDIN else str(path)
    raw = _read_bytes(path, name)
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield from _read_lines(name, raw)
        return
    if isinstance(document, list):
        for index, element in enumerate(document):
            yield _event(f"{name}[{index}]", element)
    else:
        yield _event(name, document)


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror}") from None


def _read_lines(name: str, raw: bytes) -> Iterator[EventToSend]:
    lines = raw.splitlines()
    if len([line for line in lines if line.strip()]) < 2:  # noqa: PLR2004 - one line is no NDJSON
        raise UnreadableError(f"{name}: not valid JSON")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _event(f"{name}:{number}", orjson.loads(line))
            except orjson.JSONDecodeError:
                place = "" if number == 1 else f" at line {number}"
                raise UnreadableError(f"{name}: neither JSON nor one JSON event a line{place}") from None


def _event(origin: str, document: object) -> EventToSend:
    if not isinstance(document, dict):
        raise UnreadableError(f"{origin}: an event is a JSON object")
    return EventToSend(origin, document)
