"""Lengths of time in words."""

from datetime import timedelta

import pytest

from services.cli.authoring.change import render_length


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(minutes=15), "15 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=48), "48 h"),
        (timedelta(days=3), "3 d"),
        (timedelta(days=3, hours=1), "73 h"),
        (timedelta(hours=1, minutes=30), "1 h 30 min"),
        (timedelta(seconds=3), "3 s"),
        (timedelta(minutes=1, seconds=1), "1 min 1 s"),
    ],
)
def test_a_length_is_told_in_the_units_of_the_law(length: timedelta, words: str) -> None:
    assert render_length(length) == words
