"""What became of a pack, in words. Pure: what routing answered in, lines out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

Entry = Mapping[str, Any]
"""One published version as routing's `GET /v1/protocols` shows it."""

SHOWN_DIGITS: Final = 12

_STATES: Final = {
    "published": "published, waits for approval",
    "approved": "approved, not yet in force",
    "in_force": "in force",
    "superseded": "superseded",
}


def show_published(entry: Entry) -> Iterator[str]:
    said = "is published" if entry["changed"] else "was published before, with the same content"
    yield f"{entry['pack']} {said}, by {entry['author']}; sha256 {entry['sha256']}"
    if entry["effective_from"] is None:
        yield "It decides nothing yet: another operator must approve it, with another key:"
        yield f"  tocsin protocol approve {entry['pack']} --sha256 {entry['sha256']} --key …"
    else:
        yield _say_when(entry)


def show_approved(entry: Entry) -> Iterator[str]:
    said = "is approved" if entry["changed"] else "was approved before"
    yield f"{entry['pack']} {said}, by {entry['approver']}; published by {entry['author']}"
    yield _say_when(entry)


def _say_when(entry: Entry) -> str:
    when, meant = instant(entry["effective_from"]), instant(entry["in_force_from"])
    if when == meant:
        return f"In force from {when}."
    return f"In force from {when}, its approval: its own date, {meant}, was past, and nothing acts backwards."


def show_list(entries: Sequence[Entry]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [
        (
            entry["pack"],
            _STATES[entry["state"]],
            instant(entry["effective_from"] or entry["in_force_from"]),
            entry["sha256"][:SHOWN_DIGITS],
            entry["author"],
            entry["approver"] or "-",
        )
        for entry in entries
    ]
    table = [("PACK", "STATE", "FROM", "SHA256", "AUTHOR", "APPROVER"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def instant(text: str) -> str:
    """`2030-01-01 08:00:00 UTC`, whatever offset it was written with."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
