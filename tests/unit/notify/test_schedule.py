"""When to try again: the shipped schedules, and those that an operator writes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import Urgency
from services.notify.delivery import Attempt, DeliveryState, GiveUp, Outcome, RetryAt, next_step
from services.notify.schedule import NEVER_GIVEN_UP, SCHEDULES, Schedule, ScheduleError, parse_schedule

NOW = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
ACKNOWLEDGE_WITHIN = {
    Urgency.IMMEDIATE: timedelta(minutes=15),
    Urgency.URGENT: timedelta(hours=1),
    Urgency.PRIORITY: timedelta(hours=4),
}


def waits(schedule: Schedule, *, attempts: int, chance: float = 0) -> list[float]:
    """Seconds that are waited after each attempt that found nobody, until it is given up."""
    found = []
    for number in range(1, attempts + 1):
        step = next_step(
            Attempt(Outcome.UNAVAILABLE), number=number, schedule=schedule, now=NOW, chance=chance
        )
        if step == GiveUp(DeliveryState.EXHAUSTED):
            break
        assert isinstance(step, RetryAt)
        found.append((step.at - NOW).total_seconds())
    return found


@pytest.mark.parametrize(
    ("urgency", "seconds"),
    [
        (Urgency.IMMEDIATE, [5, 15, 30, 60, 120, 120, 120, 120, 120]),
        (Urgency.URGENT, [5, 15, 30, 60, 120, 300, 300, 300, 300]),
        (Urgency.PRIORITY, [5, 30, 120, 300, 900, 1800, 1800, 1800, 1800]),
    ],
)
def test_what_is_not_routine_is_tried_again_for_ever(urgency: Urgency, seconds: list[float]) -> None:
    assert waits(SCHEDULES[urgency], attempts=9) == seconds
    assert waits(SCHEDULES[urgency], attempts=1000)[999] == seconds[-1]


def test_routine_follows_the_table_of_standard_webhooks_to_75_hours_and_ends() -> None:
    found = waits(SCHEDULES[Urgency.ROUTINE], attempts=100)
    assert found == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert 75 * 3600 < sum(found) < 76 * 3600


@pytest.mark.parametrize(("urgency", "within"), ACKNOWLEDGE_WITHIN.items())
def test_several_attempts_fall_within_the_time_to_acknowledge(urgency: Urgency, within: timedelta) -> None:
    found = waits(SCHEDULES[urgency], attempts=50, chance=0.99)
    in_time = [number for number in range(50) if sum(found[: number + 1]) < within.total_seconds()]
    assert len(in_time) >= 8


@given(number=st.integers(1, 30), jitter=st.floats(0, 1), chance=st.floats(0, 1, exclude_max=True))
def test_jitter_is_added_and_never_taken_off(number: int, jitter: float, chance: float) -> None:
    schedule = parse_schedule("PT5S PT1M ...", jitter=jitter)
    delay = schedule.find_delay(number)
    assert delay is not None
    waited = waits(schedule, attempts=number, chance=chance)[-1]
    assert delay.total_seconds() <= waited <= delay.total_seconds() * (1 + jitter) + 1e-6


def test_an_operator_writes_a_schedule_as_durations() -> None:
    assert parse_schedule("PT1S PT1M30S") == Schedule(
        (timedelta(seconds=1), timedelta(seconds=90)), repeat=None
    )
    assert parse_schedule("PT1S PT1M ...") == Schedule((timedelta(seconds=1),), timedelta(minutes=1))
    assert parse_schedule("PT2M ...", jitter=0.5) == Schedule((), timedelta(minutes=2), jitter=0.5)


@pytest.mark.parametrize("text", ["", "...", "soon", "PT0S", "PT5S -PT5S", "PT5S ... PT5S", "PT5S, PT1M"])
def test_what_is_no_schedule_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        parse_schedule(text)
    assert "PT5S PT1M PT2M" in str(refused.value)
    assert not [word for word in ("soon", "PT0S", "-PT5S", "PT5S,") if word in str(refused.value)]


def test_those_that_are_never_given_up_repeat() -> None:
    assert all(SCHEDULES[urgency].repeat for urgency in NEVER_GIVEN_UP)
