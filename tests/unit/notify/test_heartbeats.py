"""What a heartbeat covers: everything once, in order, and nothing that may still be on its way."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.heartbeat import WebhookHeartbeat
from services.notify.heartbeats import (
    DueHeartbeat,
    FeedPlace,
    build_heartbeat,
    choose_told,
    find_settled,
)

NOW = datetime(2026, 3, 5, 6, 40, tzinfo=UTC)
UNTIL = NOW - timedelta(minutes=1)


def due(*, covered_until: int = 0, sequence: int = 7) -> DueHeartbeat:
    return DueHeartbeat(
        endpoint_id="ep_one",
        agency="ag-kern-cw",
        sequence=sequence,
        covered_until=covered_until,
        covered_at=NOW - timedelta(days=1),
        next_at=NOW + timedelta(days=1),
        now=NOW,
    )


def place(position: int, *, is_expected: bool = True, age: timedelta = timedelta(hours=1)) -> FeedPlace:
    return FeedPlace(position, UUID(int=position), 1, NOW - age, is_expected)


def test_a_heartbeat_lists_what_its_endpoint_should_have_and_covers_the_rest() -> None:
    told = choose_told(due(), [place(1), place(2, is_expected=False), place(3)], until=UNTIL, is_whole=True)
    assert [alert.alert_id.int for alert in told.alerts] == [1, 3]
    assert (told.covered_until, told.more) == (3, False)


def test_what_may_still_be_on_its_way_is_left_for_the_next_with_all_behind_it() -> None:
    fresh = place(2, age=timedelta(seconds=1))
    told = choose_told(due(), [place(1), fresh, place(3)], until=UNTIL, is_whole=True)
    assert (len(told.alerts), told.covered_until, told.more) == (1, 1, False)


@given(
    expected=st.lists(st.booleans(), max_size=40),
    most=st.integers(min_value=1, max_value=5),
    at_once=st.integers(min_value=1, max_value=7),
)
def test_however_it_is_continued_each_alert_is_listed_once_and_in_order(
    expected: list[bool], most: int, at_once: int
) -> None:
    feed = [place(number, is_expected=is_ours) for number, is_ours in enumerate(expected, start=1)]
    listed, covered, more = [], 0, True
    while more:
        page = [each for each in feed if each.position > covered][:at_once]
        told = choose_told(
            due(covered_until=covered), page, until=UNTIL, is_whole=len(page) < at_once, most=most
        )
        assert len(told.alerts) <= most
        listed += [alert.alert_id.int for alert in told.alerts]
        covered, more = told.covered_until, told.more
    assert listed == [each.position for each in feed if each.is_expected]


def test_the_body_is_what_the_contract_says_and_its_id_is_the_same_again() -> None:
    told = choose_told(due(), [place(1)], until=UNTIL, is_whole=True)
    event = WebhookHeartbeat.model_validate_json(build_heartbeat(due(), told))
    assert event.id == due().webhook_id == "heartbeat_ep_one_7"
    assert event.data.alerts[0].webhook_id == f"{UUID(int=1)}_1"
    assert event.data.next_at == NOW + timedelta(days=1)


def test_a_short_period_settles_sooner() -> None:
    assert find_settled(NOW, period=timedelta(days=1)) == UNTIL
    assert find_settled(NOW, period=timedelta(seconds=1)) == NOW - timedelta(seconds=0.5)
