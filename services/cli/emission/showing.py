"""What became of the events, for a person and for a program."""

from collections.abc import Iterator
from typing import Any

from services.cli.emission.sending import Report, Sent


def render_text(report: Report) -> Iterator[str]:
    """One line an event, under a refused one what to do about it; then the sum."""
    for sent in report.results:
        yield from _render_sent(sent)
    total = len(report.results)
    worth = f" (durability: {report.durability})" if report.durability and report.accepted_count else ""
    yield f"{report.accepted_count} of {total} accepted{worth}"


def render_json(report: Report) -> dict[str, Any]:
    return {
        "durability": report.durability,
        "accepted": report.accepted_count,
        "refused": len(report.results) - report.accepted_count,
        "events": [
            {
                "from": sent.event.origin,
                "id": sent.event.id,
                "status": sent.status,
                "correlation_id": sent.correlation_id,
                "problem": None if sent.problem is None else sent.problem.model_dump(exclude_none=True),
            }
            for sent in report.results
        ],
    }


def _render_sent(sent: Sent) -> Iterator[str]:
    name = f"{sent.event.id or '(no id)'}  ({sent.event.origin})"
    if sent.is_accepted:
        yield f"accepted  {name}"
        return
    if sent.status is None:
        yield f"unknown   {name}"
        yield "    Intake does not answer. Is it running? It may have the event: send it again, same id."
        return
    yield f"refused   {name}"
    if sent.problem is None:
        yield f"    {sent.status}: the answer is not one of intake's."
        return
    yield f"    {sent.status} {sent.problem.title}. {sent.problem.detail or ''}".rstrip()
    for error in sent.problem.errors or []:
        yield f"    {_place(error.path)}: {error.message}"


def _place(pointer: str) -> str:
    """A JSON Pointer as people write paths: `data.needs[0]`."""
    place = ""
    for part in pointer.split("/")[1:]:
        plain = part.replace("~1", "/").replace("~0", "~")
        place += f"[{plain}]" if plain.isdecimal() else f".{plain}" if place else plain
    return place or "the event"
