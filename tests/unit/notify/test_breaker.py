"""Who is spared, for how long, and what is tried all the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.breaker import (
    MOST_SAMPLES,
    Breaker,
    BreakerPolicy,
    Change,
    Resumed,
    Suspended,
    SuspensionReason,
)
from services.notify.delivery import Attempt, Outcome, Trouble

NOW = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
POLICY = BreakerPolicy(window=timedelta(minutes=5), least=10, ratio=0.8, probe_after=timedelta(seconds=30))
FAILED = Attempt(Outcome.UNAVAILABLE, status_code=503)
UNREACHED = Attempt(Outcome.UNAVAILABLE, detail="OSError", trouble=Trouble.UNREACHED)
REFUSED = Attempt(Outcome.REFUSED, status_code=401)
GONE = Attempt(Outcome.REFUSED, status_code=410)
TAKEN = Attempt(Outcome.DELIVERED, status_code=204)
OURS = Attempt(Outcome.REFUSED, detail="offboarded")
ENDPOINT = "ep_one"


class Story:
    """Attempts at one endpoint, a second apart unless said otherwise."""

    def __init__(self) -> None:
        self.breaker = Breaker(POLICY)
        self.now = NOW

    def tell(self, *attempts: Attempt, apart: timedelta = timedelta(seconds=1)) -> list[Change]:
        changes = []
        for attempt in attempts:
            self.now += apart
            change = self.breaker.record(ENDPOINT, "ag-one", attempt, now=self.now)
            changes += [] if change is None else [change]
        return changes

    def admits(self, *, mandated: bool = False, after: timedelta = timedelta(0)) -> bool:
        self.now += after
        return self.breaker.admits(ENDPOINT, mandated=mandated, now=self.now)

    @property
    def is_suspended(self) -> bool:
        return ENDPOINT in self.breaker.suspended


@pytest.mark.parametrize("attempt", [FAILED, UNREACHED, REFUSED])
def test_an_endpoint_that_keeps_failing_is_suspended_at_the_tenth(attempt: Attempt) -> None:
    story = Story()
    assert story.tell(*[attempt] * 9) == []
    (change,) = story.tell(attempt)
    assert isinstance(change, Suspended)
    assert (change.suspension.agency, change.suspension.reason) == ("ag-one", SuspensionReason.FAILING)
    assert story.is_suspended


def test_one_that_takes_a_fifth_is_suspended_and_one_that_takes_more_is_not() -> None:
    good, bad = Story(), Story()
    bad.tell(*[TAKEN, *[FAILED] * 4] * 2)
    good.tell(*[TAKEN, TAKEN, *[FAILED] * 5] * 10)
    assert (bad.is_suspended, good.is_suspended) == (True, False)


def test_failures_of_long_ago_do_not_count() -> None:
    story = Story()
    story.tell(*[FAILED] * 50, apart=timedelta(seconds=40))
    assert not story.is_suspended


def test_a_success_does_not_suspend_whatever_came_before() -> None:
    story = Story()
    story.tell(*[FAILED] * 9)
    assert story.tell(TAKEN) == []


def test_what_never_left_us_says_nothing_of_the_endpoint() -> None:
    story = Story()
    story.tell(*[OURS] * 100)
    assert not story.is_suspended


def test_gone_suspends_at_once_and_is_asked_again_only_in_an_hour() -> None:
    story = Story()
    (change,) = story.tell(GONE)
    assert change.suspension.reason is SuspensionReason.GONE
    assert not story.admits(after=timedelta(minutes=59))
    assert story.admits(after=timedelta(minutes=1))


def test_what_the_law_orders_is_tried_all_the_same() -> None:
    story = Story()
    story.tell(GONE)
    assert [story.admits(mandated=True) for _ in range(3)] == [True] * 3
    assert not story.admits()


def test_one_probe_at_a_time_and_each_after_twice_as_long_an_hour_at_most() -> None:
    story = Story()
    story.tell(*[FAILED] * 10)
    waits = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    for seconds in waits:
        assert not story.admits(after=timedelta(seconds=seconds - 1))
        assert story.admits(after=timedelta(seconds=1))
        assert not story.admits()
        assert story.tell(FAILED, apart=timedelta(0)) == []


@pytest.mark.parametrize("mandated", [True, False])
def test_a_webhook_that_is_taken_resumes_and_starts_to_count_anew(*, mandated: bool) -> None:
    story = Story()
    story.tell(*[FAILED] * 10)
    assert story.admits(mandated=mandated, after=timedelta(minutes=1))
    (change,) = story.tell(TAKEN)
    assert isinstance(change, Resumed)
    assert story.admits()
    assert story.tell(*[FAILED] * 9) == []


def test_what_was_kept_is_in_force_after_a_restart_and_what_ended_elsewhere_is_over() -> None:
    before, after = Story(), Story()
    before.tell(*[FAILED] * 10)
    after.breaker.adopt(before.breaker.suspended.values())
    assert (after.admits(), after.admits(mandated=True)) == (False, True)
    after.breaker.adopt([])
    assert after.admits()


def test_asking_postgresql_does_not_bring_a_probe_forward() -> None:
    story = Story()
    story.tell(*[FAILED] * 10)
    kept = list(story.breaker.suspended.values())
    assert story.admits(after=timedelta(seconds=30))
    story.breaker.adopt(kept)
    assert not story.admits()


def test_the_others_are_asked_as_ever() -> None:
    story = Story()
    story.tell(*[FAILED] * 10)
    assert story.breaker.admits("ep_two", mandated=False, now=story.now)


@given(outcomes=st.lists(st.sampled_from([FAILED, TAKEN, REFUSED, OURS]), max_size=60))
def test_changes_alternate_and_agree_with_what_is_suspended(outcomes: list[Attempt]) -> None:
    story = Story()
    changes = story.tell(*outcomes)
    kinds = [type(change) for change in changes]
    assert kinds == [Suspended, Resumed] * (len(kinds) // 2) + [Suspended] * (len(kinds) % 2)
    assert story.is_suspended == (len(kinds) % 2 == 1)


def test_memory_is_bounded() -> None:
    story = Story()
    story.tell(*[TAKEN] * (MOST_SAMPLES + 500), apart=timedelta(0))
    story.tell(*[FAILED] * (MOST_SAMPLES * 8 // 10 - 1), apart=timedelta(0))
    assert not story.is_suspended
    story.tell(FAILED, apart=timedelta(0))
    assert story.is_suspended
