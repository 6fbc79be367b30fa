"""The counties there are, by their codes."""

import pytest

from services.routing.counties import list_counties


def test_every_code_has_five_digits_and_there_are_some_three_thousand() -> None:
    assert all(len(code) == 5 and code.isdecimal() for code in list_counties())
    assert 3_100 < len(list_counties()) < 3_300


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("06029", id="Kern"),
        pytest.param("22071", id="a parish"),
        pytest.param("11001", id="the District of Columbia"),
        pytest.param("02063", id="Chugach, since 2019"),
        pytest.param("02261", id="Valdez-Cordova, until 2019"),
        pytest.param("09110", id="a planning region of Connecticut"),
        pytest.param("46102", id="Oglala Lakota"),
        pytest.param("72001", id="Puerto Rico"),
    ],
)
def test_counties_and_what_stands_for_them_are_known(code: str) -> None:
    assert code in list_counties()
