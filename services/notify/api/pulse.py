"""The dead-man's switch: 200 while the whole chain moves, 503 otherwise; for a monitor outside."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Response
from pydantic import AwareDatetime, Field

from schemas.base import WireModel
from services.notify.pulse import PulseState


class PulseReport(WireModel):
    """When each part of the chain was last proved to move. Says nothing of any alert, nor how many."""

    alive: bool
    proved_at: AwareDatetime | None = Field(description="The oldest of `hops`; null if one was never proved.")
    hops: dict[str, AwareDatetime | None]


ANSWERS: Final[dict[str, Any]] = {
    "operation_id": "showPulse",
    "summary": "Whether the whole chain moves",
    "description": "No key needed. 200 only if routing decides what intake accepted, routing and intake read "
    "what notify tells, and notify takes over what routing decided, each within the last minute.",
    "response_model": PulseReport,
    "responses": {503: {"description": "It does not, or this is not known.", "model": PulseReport}},
}

NOTHING_KNOWN: Final = PulseState(is_alive=False, proved_at=None, hops={})


def add_pulse_route(app: FastAPI, judge: Callable[[], PulseState]) -> None:
    @app.get("/v1/pulse", **ANSWERS)
    async def show_pulse() -> Response:
        state = judge()
        report = PulseReport(alive=state.is_alive, proved_at=state.proved_at, hops=dict(state.hops))
        return Response(
            report.model_dump_json(),
            status_code=200 if state.is_alive else 503,
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )
