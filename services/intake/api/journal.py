"""The log of what was received: one line a request, and for a batch one more for each accepted event."""

from collections.abc import Sequence

from services.intake.ingress.answer import ACCEPTED, Outcome
from services.runtime.logs import get_logger

log = get_logger()


def log_received(
    outcomes: Sequence[Outcome], *, source: str | None, status: int, duration: float, correlation_id: str
) -> None:
    """Whoever looks for an accepted event's id finds one line with it and its correlation id.

    `duration` in seconds.
    """
    accepted = [outcome for outcome in outcomes if outcome.status == ACCEPTED]
    log.info(
        "events.received",
        source=source,
        status=status,
        event_count=len(outcomes),
        accepted_count=len(accepted),
        duration_ms=round(duration * 1000, 1),
        correlation_id=correlation_id,
        # A second line would cost as much as the rest of the request's own work.
        **(_name(accepted[0]) if len(outcomes) == len(accepted) == 1 else {}),
    )
    if len(outcomes) > 1:
        for outcome in accepted:
            log.info("event.accepted", source=source, correlation_id=correlation_id, **_name(outcome))


def _name(outcome: Outcome) -> dict[str, str | None]:
    return {"event_id": outcome.event_id, "case_ref": outcome.case_ref}
