from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.vocabulary import AgeBand
from services.routing.age import band_of, eighteenth_birthday, read_age, years_old
from tests.unit.routing.building import build_event


@pytest.mark.parametrize(
    ("years", "band"),
    [
        (0, AgeBand.UNDER_13),
        (12, AgeBand.UNDER_13),
        (13, AgeBand.FROM_13_TO_15),
        (15, AgeBand.FROM_13_TO_15),
        (16, AgeBand.FROM_16_TO_17),
        (17, AgeBand.FROM_16_TO_17),
        (18, AgeBand.ADULT),
        (90, AgeBand.ADULT),
        (-1, AgeBand.UNDER_13),
    ],
)
def test_each_age_has_its_band(years: int, band: AgeBand) -> None:
    assert band_of(years) is band


@pytest.mark.parametrize(
    ("born", "today", "years"),
    [
        (date(2008, 3, 3), date(2026, 3, 2), 17),
        (date(2008, 3, 3), date(2026, 3, 3), 18),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2004, 2, 29), date(2024, 2, 28), 19),
        (date(2004, 2, 29), date(2024, 2, 29), 20),
    ],
)
def test_a_year_is_completed_on_the_birthday_and_for_29_february_on_1_march(
    born: date, today: date, years: int
) -> None:
    assert years_old(born, today) == years


@given(st.dates(date(1920, 1, 1), date(2010, 1, 1)), st.dates(date(2010, 1, 2), date(2100, 1, 1)))
@settings(deadline=None)
def test_nobody_gets_younger(born: date, today: date) -> None:
    tomorrow = date.fromordinal(today.toordinal() + 1)
    assert 0 <= years_old(born, today) <= years_old(born, tomorrow) <= years_old(born, today) + 1


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_the_eighteenth_birthday_is_the_first_day_of_eighteen_years(born: date) -> None:
    birthday = eighteenth_birthday(born)
    assert years_old(born, birthday) == 18
    assert years_old(born, birthday - timedelta(days=1)) == 17


def test_a_date_of_birth_wins_over_a_given_band() -> None:
    event = build_event("tip.received", date_of_birth="1990-01-01", age={"band": "under13"})
    assert read_age(event.data, date(2026, 3, 3)).band is AgeBand.ADULT


@pytest.mark.parametrize("data", [{}, {"age": {"band": "unknown"}}])
def test_whose_age_nobody_knows_is_presumed_a_minor(data: dict[str, Any]) -> None:
    age = read_age(build_event("tip.received", **data).data, date(2026, 3, 3))
    assert age.minor
    assert age.presumed_minor


def test_a_known_minor_is_not_presumed_one() -> None:
    age = read_age(build_event("tip.received", age={"band": "16to17"}).data, date(2026, 3, 3))
    assert (age.minor, age.presumed_minor) == (True, False)
