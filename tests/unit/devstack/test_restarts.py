"""When an ended process is started again."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.devstack.restarts import (
    ASKS_FOR_RESTART,
    LONGEST_PAUSE,
    LOOPING_FROM,
    SETTLED_AFTER,
    STEADY_AFTER,
    Ended,
    next_restart,
)

NOTHING = timedelta(0)
BRIEF = timedelta(milliseconds=50)

exit_codes = st.integers(min_value=-15, max_value=255)
lives = st.timedeltas(min_value=NOTHING, max_value=timedelta(days=1))


def crash(*, lived: timedelta = BRIEF) -> Ended:
    return Ended(exit_code=1, lived=lived)


def test_the_first_end_is_answered_at_once() -> None:
    restart = next_restart(crash(), failure_count=0)
    assert (restart.pause, restart.failure_count, restart.looping) == (NOTHING, 1, False)


def test_pauses_double_from_a_tenth_of_a_second_to_five_seconds() -> None:
    pauses = [next_restart(crash(), failure_count=count).pause.total_seconds() for count in range(10)]
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]


def test_whoever_keeps_dying_is_called_out_from_the_third_end_on() -> None:
    looping = [next_restart(crash(), failure_count=count).looping for count in range(4)]
    assert looping == [False, False, True, True]


def test_a_steady_life_makes_the_next_end_a_first_one() -> None:
    restart = next_restart(crash(lived=STEADY_AFTER), failure_count=7)
    assert (restart.pause, restart.failure_count) == (NOTHING, 1)


def test_a_restart_that_was_asked_for_is_neither_delayed_nor_counted() -> None:
    restart = next_restart(Ended(exit_code=ASKS_FOR_RESTART, lived=SETTLED_AFTER), failure_count=7)
    assert (restart.pause, restart.failure_count, restart.asked_for) == (NOTHING, 0, True)


def test_asking_for_restarts_without_getting_to_work_is_failing() -> None:
    restart = next_restart(Ended(exit_code=ASKS_FOR_RESTART, lived=BRIEF), failure_count=LOOPING_FROM)
    assert restart.looping
    assert not restart.asked_for
    assert restart.pause > NOTHING


def test_an_orderly_exit_that_nobody_asked_for_is_a_death_too() -> None:
    assert next_restart(Ended(exit_code=0, lived=BRIEF), failure_count=1).failure_count == 2


@given(exit_codes, lives, st.integers(min_value=0, max_value=10_000))
def test_a_pause_is_never_negative_and_never_longer_than_the_longest(
    code: int, lived: timedelta, count: int
) -> None:
    restart = next_restart(Ended(exit_code=code, lived=lived), failure_count=count)
    assert NOTHING <= restart.pause <= LONGEST_PAUSE


@given(st.integers(min_value=0, max_value=100))
def test_more_failures_never_shorten_the_pause(count: int) -> None:
    sooner = next_restart(crash(), failure_count=count)
    later = next_restart(crash(), failure_count=count + 1)
    assert sooner.pause <= later.pause
