"""Every length of time around an attempt follows from its time-out."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notify.leases import Leases
from services.notify.schedule import SCHEDULES
from services.notify.worker.stranding import find_longest_wait

TIMEOUTS = st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(hours=1))


@given(TIMEOUTS)
def test_an_attempt_that_has_begun_ends_before_its_process_and_its_lease(timeout: timedelta) -> None:
    leases = Leases.of(timeout)
    assert timeout < leases.attempt < leases.lease
    assert leases.attempt < leases.drain <= leases.lease


def test_of_fifteen_seconds_they_are_what_the_documents_say() -> None:
    leases = Leases.of(timedelta(seconds=15))
    assert (leases.attempt, leases.lease, leases.drain) == (
        timedelta(seconds=20),
        timedelta(seconds=35),
        timedelta(seconds=25),
    )


def test_the_longest_wait_is_the_last_of_a_schedule_with_what_a_receiver_may_add() -> None:
    assert find_longest_wait(SCHEDULES) == timedelta(hours=24) * 2.1
