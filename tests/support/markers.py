"""A word that occurs nowhere by chance, planted wherever an event takes one, and searched for."""

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from schemas.case_event import InvalidEventError, parse_case_event
from schemas.vocabulary import Group
from tests.support.examples import EXAMPLES
from tests.support.json_paths import all_paths, replaced, value_at
from tests.support.story import CaseEvent

STEM = "Qzjvxwpfkt"
"""What all markers have in common."""

_CHUNK_BYTES = 4 * 1024 * 1024
_FULL = EXAMPLES / "accepted" / "victim.potential_identified-with-every-group.json"


def every_group() -> dict[str, Any]:
    """Data with every disclosure group, and a marker in each leaf that takes any text: `<stem>-<number>`."""
    event: CaseEvent = orjson.loads(_FULL.read_bytes())
    event["data"]["flags"] = {}
    groups = [path for path in all_paths(event["data"]) if path[0] in list(Group)]
    for number, path in enumerate(path for path in groups if isinstance(value_at(event["data"], path), str)):
        marked = replaced(event, ("data", *path), f"{STEM}-{number}")
        if _is_accepted(marked):
            event = marked
    data: dict[str, Any] = event["data"]
    return data


def count_markers(document: object) -> int:
    return orjson.dumps(document).count(STEM.encode())


def spellings(word: str) -> frozenset[bytes]:
    """How a word may hide: plain, wide, hexadecimal, and base64 at its three alignments."""
    plain = word.encode()
    found = {plain, word.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode()}
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + plain)
        # What stands at the ends depends on the neighbours.
        found.add(encoded[4 if shift else 0 : len(encoded) - 4])
    return frozenset(found)


def find_words(chunks: Iterable[bytes], words: Iterable[str]) -> set[str]:
    """Which of the words a stream of bytes holds, in whatever spelling."""
    needles = {word: spellings(word) for word in words}
    overlap = max(len(needle) for each in needles.values() for needle in each)
    found: set[str] = set()
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        found |= {word for word, each in needles.items() if any(needle in window for needle in each)}
        tail = window[-overlap:]
    return found


def read_files(folder: Path) -> Iterator[bytes]:
    """Every byte of every file below a folder."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def _is_accepted(event: CaseEvent) -> bool:
    try:
        parse_case_event(orjson.dumps(event))
    except InvalidEventError:
        return False
    return True
