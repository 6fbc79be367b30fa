"""Reading a pack's YAML: plain values with the place of each, and nothing that surprises.

Words are read as in YAML 1.2, so `on` is one and not a boolean. Anchors, aliases, tags and repeated keys are
refused: a reader must see what is in force, and an alias can blow a small file up to an endless one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
_MAX_DEPTH: Final = 12
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

# libyaml's parser where the wheel has it: thirty times as fast, and the same events.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STARTS: Final = frozenset({ScalarEvent, MappingStartEvent, SequenceStartEvent, AliasEvent})
_ENDS: Final = frozenset({MappingEndEvent, SequenceEndEvent})
_NO_TAG: Final = frozenset({None, "!"})

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, line and column from 1. `style` is how a text is written (`|`, `>`, quotes)."""

    line: int
    column: int
    style: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path of the file, or at a place inside it."""

    path: Path
    place: Place
    message: str


class PackFileError(Exception):
    """The file cannot be read as plain YAML; says where and why."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


@dataclass(slots=True)
class PackDocument:
    """The file's values, the place of each value, and the place of each key."""

    text: str
    value: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def place_of(self, path: Path) -> Place:
        """The place of a value, or of the nearest thing around it that the file has."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place(1, 1))

    def place_of_key(self, path: Path) -> Place:
        """The place of a key."""
        return self.keys.get(path) or self.place_of(path)


def read_pack_file(raw: bytes) -> PackDocument:
    """Read one file. Raises PackFileError at the first thing that cannot be read."""
    if len(raw) > MAX_FILE_BYTES:
        raise PackFileError(Place(1, 1), f"larger than {MAX_FILE_BYTES} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise PackFileError(Place(1, 1), "not UTF-8") from None
    document = PackDocument(text)
    events = _parse(text)
    try:
        document.value = _build(next(events), events, document, ())
        for _ in events:
            pass
    except StopIteration:
        raise PackFileError(Place(1, 1), "empty") from None
    except MarkedYAMLError as error:
        raise PackFileError(_place_of_error(error, text), error.problem or "not YAML") from None
    except YAMLError as error:
        raise PackFileError(Place(1, 1), str(error).splitlines()[0]) from None
    return document


def _parse(text: str) -> Iterator[Event]:
    """The events that carry values, refusing what a pack may not contain."""
    loader = _LOADER(text)
    documents = 0
    for event in iter(loader.get_event, None):
        kind = type(event)
        if kind in _STARTS:
            if event.anchor is not None:
                raise PackFileError(
                    _mark(event.start_mark), "anchors and aliases may not be used: write it out"
                )
            if kind is not AliasEvent and event.tag not in _NO_TAG:
                raise PackFileError(_mark(event.start_mark), "tags may not be used")
            yield event
        elif kind in _ENDS:
            yield event
        elif kind is DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise PackFileError(
                    _mark(event.start_mark), "a file holds one pack: a second document starts here"
                )


def _build(event: Event, events: Iterator[Event], document: PackDocument, path: Path) -> Any:  # noqa: ANN401 - plain YAML
    if len(path) > _MAX_DEPTH:
        raise PackFileError(_mark(event.start_mark), "nested too deeply")
    mark = event.start_mark
    if isinstance(event, ScalarEvent):
        document.values[path] = Place(mark.line + 1, mark.column + 1, event.style or None)
        return _read_scalar(event)
    document.values[path] = _mark(mark)
    if isinstance(event, SequenceStartEvent):
        return list(_build_items(events, document, path))
    return _build_mapping(events, document, path)


def _build_items(events: Iterator[Event], document: PackDocument, path: Path) -> Iterator[Any]:
    index = 0
    while not isinstance(event := next(events), SequenceEndEvent):
        yield _build(event, events, document, (*path, index))
        index += 1


def _build_mapping(events: Iterator[Event], document: PackDocument, path: Path) -> Mapping[str, Any]:
    mapping: dict[str, Any] = {}
    while not isinstance(event := next(events), MappingEndEvent):
        place = _mark(event.start_mark)
        if not isinstance(event, ScalarEvent):
            raise PackFileError(place, "a key must be a word")
        if event.value in mapping:
            raise PackFileError(place, f"the key `{event.value}` is given twice")
        inner = (*path, event.value)
        document.keys[inner] = place
        mapping[event.value] = _build(next(events), events, document, inner)
    return mapping


def _read_scalar(event: ScalarEvent) -> str | int | float | bool | None:
    """A plain word may be a number, a boolean or nothing (YAML 1.2 core schema); what is quoted is text."""
    text: str = event.value
    if event.style:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _place_of_error(error: MarkedYAMLError, text: str) -> Place:
    """Where the parser stopped; at the end of the file, where the thing that has no end begins."""
    written = text.rstrip()
    for mark in (error.problem_mark, error.context_mark):
        if mark is not None and mark.index < len(written):
            return _mark(mark)
    return Place(written.count("\n") + 1, len(written) - written.rfind("\n") - 1 or 1)


def _mark(mark: Any) -> Place:  # noqa: ANN401 - the parser's own type
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
