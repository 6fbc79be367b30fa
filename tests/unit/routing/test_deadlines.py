from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.pack import DutySpec
from services.routing.deadlines import CALIFORNIA, find_due, last_business_day
from tests.unit.routing.building import NOW, build_event


def spec(**fields: object) -> DutySpec:
    document = {"holder": "emitter", "what": "do it", **fields}
    return DutySpec.model_validate_json(orjson.dumps(document), strict=True)


def due(event_fields: Mapping[str, Any] | None = None, **fields: Any) -> datetime | None:  # noqa: ANN401 - any YAML
    event = build_event("victim.interview_scheduled", **{"appointment": {}, **(event_fields or {})})
    return find_due(spec(**fields), event, discovered_at=event.discovered_at, processed_at=NOW)


def test_hours_count_from_discovery() -> None:
    discovered = {"discovered_at": "2026-03-01T08:00:00-08:00"}
    assert due(discovered, within="PT36H") == datetime(2026, 3, 3, 4, 0, tzinfo=UTC)


def test_an_event_silent_on_its_discovery_was_discovered_when_it_happened() -> None:
    assert due(within="PT24H") == datetime(2026, 3, 4, 16, 0, tzinfo=UTC)


def test_a_clock_may_count_from_processing() -> None:
    clock: dict[str, Any] = {"from": "processed_at"}
    assert due(within="PT2H", **clock) == NOW + timedelta(hours=2)


def test_hours_are_elapsed_hours_when_the_clocks_change() -> None:
    discovered = {"discovered_at": "2026-03-07T12:00:00-08:00"}
    at = due(discovered, within="PT24H")
    assert at is not None
    assert at.tzinfo is UTC
    assert at.astimezone(CALIFORNIA).isoformat() == "2026-03-08T13:00:00-07:00"


def test_days_are_24_elapsed_hours_each() -> None:
    discovered = {"discovered_at": "2026-03-07T12:00:00-08:00"}
    assert due(discovered, within="P30D") == datetime(2026, 4, 6, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(("flags", "days"), [({}, 30), ({"in_removal_proceedings": True}, 7)])
def test_a_flag_of_the_event_calls_for_another_length(flags: dict[str, bool], days: int) -> None:
    discovered = {"discovered_at": "2026-03-03T08:00:00Z", "flags": flags}
    within_if = {"flag": "in_removal_proceedings", "within": "P7D"}
    at = due(discovered, within="P30D", within_if=within_if)
    assert at == datetime(2026, 3, 3, 8, 0, tzinfo=UTC) + timedelta(days=days)


def test_before_an_appointment_means_when_it_starts() -> None:
    given_start = {"appointment": {"start": "2026-03-05T09:00:00-08:00"}}
    assert due(given_start, before="appointment.start") == datetime(2026, 3, 5, 17, 0, tzinfo=UTC)
    assert due(before="appointment.start") is None


def test_where_the_law_names_no_hour_there_is_none() -> None:
    assert due() is None


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        (date(2026, 3, 2), 1, date(2026, 3, 3)),
        (date(2026, 3, 6), 1, date(2026, 3, 9)),
        (date(2026, 3, 2), 15, date(2026, 3, 23)),
        (date(2026, 3, 30), 1, date(2026, 4, 1)),
        (date(2026, 11, 25), 1, date(2026, 11, 30)),
        (date(2026, 7, 2), 1, date(2026, 7, 6)),
        (date(2026, 12, 31), 1, date(2027, 1, 4)),
    ],
)
def test_business_days_skip_weekends_and_the_states_holidays(start: date, days: int, last: date) -> None:
    assert last_business_day(start, days) == last


def test_business_days_end_at_the_last_second_of_the_local_day() -> None:
    discovered = {"discovered_at": "2026-03-02T23:30:00-08:00"}
    within = {"business_days": 15, "calendar": "US-CA"}
    at = due(discovered, within=within)
    assert at is not None
    assert at.astimezone(CALIFORNIA).isoformat() == "2026-03-23T23:59:59-07:00"


@given(st.dates(date(2024, 1, 1), date(2040, 12, 31)), st.integers(1, 60))
@settings(deadline=None)
def test_one_more_business_day_is_a_later_working_day(start: date, days: int) -> None:
    last, next_one = last_business_day(start, days), last_business_day(start, days + 1)
    assert start < last < next_one
    assert last.weekday() < 5
    assert (next_one - last).days <= 6
