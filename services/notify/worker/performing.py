"""From a delivery that is due to a result to be written: attempt, decide, tell."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from services.notify import receipts
from services.notify.delivery import (
    Attempt,
    Delivered,
    DeliveryState,
    GiveUp,
    Outcome,
    RetryAt,
    Step,
    has_missed,
    next_step,
)
from services.notify.receipts import Receipt
from services.notify.repository.rows import Due, Result
from services.notify.schedule import Schedules
from services.runtime.clock import Clock
from services.runtime.database import is_transient
from services.runtime.faults import error_type
from services.runtime.logs import get_logger

log = get_logger()

Attempting: TypeAlias = Callable[[Due], Awaitable[Attempt | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """The work of a lane. Never raises: trouble of ours is logged and the delivery stays due."""

    attempt: Attempting
    settle: Callable[[Result], None]
    schedules: Schedules
    clock: Clock
    chance: Callable[[], float]

    async def perform(self, due: Due) -> Outcome | None:
        """None if nobody was asked."""
        started_at, began = self.clock.now(), self.clock.monotonic()
        attempt = await self._attempt(due)
        if attempt is None:
            return None
        now = self.clock.now()
        step = next_step(
            attempt,
            number=due.number - due.earlier,
            schedule=self.schedules[due.record.urgency],
            now=now,
            chance=self.chance() if attempt.outcome is Outcome.UNAVAILABLE else 0.0,
        )
        duration = timedelta(seconds=self.clock.monotonic() - began)
        _log(due, attempt, step, duration)
        self.settle(_conclude(due, attempt, step, started_at=started_at, duration=duration, now=now))
        return attempt.outcome if attempt.is_asked else None

    async def _attempt(self, due: Due) -> Attempt | None:
        """None when it is not its turn, or our own database kept us from it: then it is claimed again."""
        try:
            return await self.attempt(due)
        except Exception as error:
            # The edge of a lane: the fault of one delivery must not stop the others.
            if is_transient(error):
                log.warning("delivery.postponed", **_ids(due), exc_info=error)
                return None
            log.error("delivery.failed", **_ids(due), exc_info=error)
            return Attempt(Outcome.UNAVAILABLE, detail=error_type(error))


def _conclude(
    due: Due, attempt: Attempt, step: Step, *, started_at: datetime, duration: timedelta, now: datetime
) -> Result:
    state, due_at = _standing(step)
    return Result(
        alert_id=due.record.alert_id,
        revision=due.record.revision,
        delivery_id=due.delivery_id,
        lane=due.path.lane,
        number=due.number,
        started_at=started_at,
        duration_ms=_milliseconds(duration),
        outcome=attempt.outcome,
        status_code=attempt.status_code,
        enhanced_code=attempt.enhanced_code,
        detail=attempt.detail,
        state=state,
        due_at=due_at,
        has_missed=attempt.outcome is not Outcome.DELIVERED and has_missed(due.path.channel, attempt),
        receipt=_find_receipt(due, step, now),
    )


def _standing(step: Step) -> tuple[DeliveryState, datetime | None]:
    match step:
        case Delivered():
            return DeliveryState.DELIVERED, None
        case RetryAt(at):
            return DeliveryState.PENDING, at
        case GiveUp(state):
            return state, None
        case _:
            assert_never(step)


def _find_receipt(due: Due, step: Step, now: datetime) -> Receipt | None:
    match step:
        case Delivered():
            return receipts.delivered(
                due.record, at=now, delivery_id=due.delivery_id, channel=due.path.channel
            )
        case GiveUp(state):
            return receipts.failed(
                due.record,
                at=now,
                delivery_id=due.delivery_id,
                channel=due.path.channel,
                outcome=state.value,
            )
        case RetryAt():
            return None
        case _:
            assert_never(step)


def _log(due: Due, attempt: Attempt, step: Step, duration: timedelta) -> None:
    log.info(
        "delivery.attempted",
        **_ids(due),
        attempt=due.number,
        outcome=attempt.outcome.value,
        status_code=attempt.status_code,
        enhanced_code=attempt.enhanced_code,
        detail=attempt.detail,
        duration_ms=_milliseconds(duration),
        next_step=type(step).__name__,
    )
    if isinstance(step, GiveUp):
        # A dead letter: somebody must look.
        event = "delivery.refused" if step.state is DeliveryState.REFUSED else "delivery.exhausted"
        log.error(
            event,
            **_ids(due),
            attempt=due.number,
            status_code=attempt.status_code,
            enhanced_code=attempt.enhanced_code,
            detail=attempt.detail,
        )


def _ids(due: Due) -> dict[str, object]:
    return {
        "delivery_id": due.delivery_id,
        "alert_id": due.record.alert_id,
        "agency": due.record.agency,
        "channel": due.path.channel.value,
        "endpoint_id": due.path.target,
        "correlation_id": due.record.correlation_id,
    }


def _milliseconds(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)
