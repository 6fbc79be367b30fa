"""The words for the register of duties. Pure: a view in, lines out."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.cli.explanation.wording import clock

View = Mapping[str, Any]
"""The register as routing's `GET /v1/duties` shows it."""

_STATUSES: Final = {
    "open": "open",
    "needs_review": "in doubt since a correction or retraction; look at it",
    "closed": "closed",
}


def render_duties(view: View) -> Iterator[str]:
    """The duties in the order they came, and how many more there are."""
    duties = view["duties"]
    for duty in duties:
        yield from _render_duty(duty)
    if not duties:
        yield "No duty."
    elif view["total"] > len(duties):
        yield f"{len(duties)} of {view['total']} duties; name an agency or an event to see the others."


def _render_duty(duty: View) -> Iterator[str]:
    holder = duty["holder"] or "nobody could hold it"
    due = f"due {clock(duty['due'])}" if duty["due"] else "no fixed hour"
    yield f"{holder}: {duty['what']} ({duty['rule']}), {due}"
    yield f"  {_render_status(duty)}; event {duty['event_id']}, duty {duty['duty_id']}"


def _render_status(duty: View) -> str:
    status = _STATUSES.get(duty["status"], str(duty["status"]))
    if duty["overdue"]:
        return f"OVERDUE, {status}"
    evidence = duty["evidence"]
    if evidence is None:
        return status
    if evidence["at"] is None:
        return (
            f"{status} at {clock(evidence['recorded_at'])}; its evidence was destroyed with the case's data"
        )
    return f"{status}: done at {clock(evidence['at'])} by {evidence['channel']}"
