"""When somebody is reminded of a duty."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.routing.reminders import (
    LATE_GRACE,
    ReminderStep,
    find_first,
    find_next,
    find_step,
    list_steps,
)

DECIDED = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
lengths = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=400))


def test_reminders_come_at_half_a_quarter_and_a_tenth_of_the_time_left_and_when_it_is_over() -> None:
    steps = list_steps(decided_at=DECIDED, due=DECIDED + timedelta(hours=100))
    assert [(step, (at - DECIDED) / timedelta(hours=1)) for step, at in steps] == [
        (ReminderStep.HALF, 50),
        (ReminderStep.QUARTER, 75),
        (ReminderStep.TENTH, 90),
        (ReminderStep.OVERDUE, 100),
    ]


def test_a_duty_without_an_instant_is_never_looked_at() -> None:
    assert find_first(decided_at=DECIDED, due=None) is None


@given(late_by=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_what_was_overdue_when_it_was_decided_is_told_as_such_once_and_not_at_once(
    late_by: timedelta,
) -> None:
    times = {"decided_at": DECIDED, "due": DECIDED - late_by}
    assert find_first(**times) == DECIDED + LATE_GRACE
    assert find_step(**times, now=DECIDED) is None
    assert find_step(**times, now=DECIDED + LATE_GRACE) is ReminderStep.OVERDUE
    assert find_next(**times, now=DECIDED + LATE_GRACE) is None


@given(length=lengths, looked=st.lists(st.floats(min_value=0, max_value=1.5), max_size=12).map(sorted))
def test_whoever_looks_seldom_tells_the_latest_step_alone_and_none_twice(
    length: timedelta, looked: list[float]
) -> None:
    """Looking when the last look said; that may be long after it was due."""
    due, told = DECIDED + length, []
    at = find_first(decided_at=DECIDED, due=due)
    for now in (DECIDED + length * part for part in looked):
        if at is not None and at <= now:
            told.append(find_step(decided_at=DECIDED, due=due, now=now))
            at = find_next(decided_at=DECIDED, due=due, now=now)
    order = [None, *ReminderStep]
    assert told == sorted(set(told), key=order.index)
    assert None not in told
    if looked and looked[-1] >= 1:
        assert told[-1] is ReminderStep.OVERDUE
        assert at is None
