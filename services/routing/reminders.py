"""When a duty is due soon and when it is overdue: the steps at which somebody is reminded. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class ReminderStep(StrEnum):
    """How much of the time is left, in percent; or none."""

    HALF = "50"
    QUARTER = "25"
    TENTH = "10"
    OVERDUE = "overdue"


_LEFT: Final = ((ReminderStep.HALF, 0.5), (ReminderStep.QUARTER, 0.25), (ReminderStep.TENTH, 0.1))
LATE_GRACE: Final = timedelta(minutes=15)
"""One that is overdue when we first hear of it is told as such by its alert; that it still is, later."""


def list_steps(*, decided_at: datetime, due: datetime) -> list[tuple[ReminderStep, datetime]]:
    """Each step and its instant, in order."""
    if due <= decided_at:
        return [(ReminderStep.OVERDUE, decided_at + LATE_GRACE)]
    soon = [(step, due - (due - decided_at) * left) for step, left in _LEFT]
    return [*soon, (ReminderStep.OVERDUE, due)]


def find_first(*, decided_at: datetime, due: datetime | None) -> datetime | None:
    """When to look at a new duty; None for one without an instant."""
    return None if due is None else list_steps(decided_at=decided_at, due=due)[0][1]


def find_step(*, decided_at: datetime, due: datetime, now: datetime) -> ReminderStep | None:
    """The latest step that has come: of several missed ones, the last alone is told."""
    reached = [step for step, at in list_steps(decided_at=decided_at, due=due) if at <= now]
    return reached[-1] if reached else None


def find_next(*, decided_at: datetime, due: datetime, now: datetime) -> datetime | None:
    """When the next step comes; None after the last."""
    return next((at for _, at in list_steps(decided_at=decided_at, due=due) if at > now), None)
