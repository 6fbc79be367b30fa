"""The token bucket of a source."""

from hypothesis import given
from hypothesis import strategies as st

from services.intake.ingress.rate import RateLimiter, TokenBucket

SOURCE = "urn:tocsin:agency:ag-bpd:cad"
OTHER = "urn:tocsin:agency:ag-kern-vsp:crm"

rates = st.integers(min_value=1, max_value=5000)
# Sixty-fourths of a second, which add up exactly.
pauses = st.integers(min_value=0, max_value=192).map(lambda parts: parts / 64)
wishes = st.lists(st.tuples(pauses, st.integers(min_value=0, max_value=6000)), max_size=30)


@given(rates, wishes)
def test_no_more_is_granted_than_one_second_s_worth_and_what_filled_up_since(
    rate: int, wished: list[tuple[float, int]]
) -> None:
    bucket, now, granted = TokenBucket(rate, now=0.0), 0.0, 0
    for pause, count in wished:
        now += pause
        granted += bucket.take(count, now=now).granted_count
    assert granted <= rate + now * rate


@given(rates, wishes)
def test_who_waits_as_told_gets_at_least_one_event_through(
    rate: int, wished: list[tuple[float, int]]
) -> None:
    bucket, now = TokenBucket(rate, now=0.0), 0.0
    for pause, count in wished:
        now += pause
        allowance = bucket.take(count, now=now)
        if allowance.granted_count < count:
            now += allowance.retry_after
            assert bucket.take(1, now=now).granted_count == 1


@given(rates, wishes)
def test_who_keeps_within_the_rate_is_never_refused(rate: int, wished: list[tuple[float, int]]) -> None:
    bucket, now = TokenBucket(rate, now=0.0), 0.0
    for pause, _ in wished:
        now += pause + 1.0
        assert bucket.take(rate, now=now).granted_count == rate


@given(rates, wishes)
def test_the_wait_is_whole_seconds_and_at_least_one(rate: int, wished: list[tuple[float, int]]) -> None:
    bucket, now = TokenBucket(rate, now=0.0), 0.0
    for pause, count in wished:
        now += pause
        assert bucket.take(count, now=now).retry_after >= 1


def test_a_clock_that_stands_still_or_goes_back_fills_nothing() -> None:
    bucket = TokenBucket(2, now=10.0)
    assert bucket.take(2, now=10.0).granted_count == 2
    assert bucket.take(1, now=5.0).granted_count == 0
    assert bucket.take(1, now=10.0).granted_count == 0


def test_one_source_does_not_use_up_another_s_rate() -> None:
    limiter = RateLimiter(3)
    assert limiter.take(SOURCE, 5, now=0.0).granted_count == 3
    assert limiter.take(OTHER, 3, now=0.0).granted_count == 3
    assert limiter.take(SOURCE, 1, now=0.0).granted_count == 0
