"""Evidence, and what is shown of it to others."""

import pytest
from pydantic import ValidationError

from schemas.duty import CHANNELS, DutyEvidence, name_channel

GIVEN = {
    "who": "J. Ortiz",
    "channel": "telephone",
    "reference": "hotline 4711",
    "at": "2026-03-04T07:10:00-08:00",
}


def test_evidence_says_who_through_which_channel_under_which_reference_and_when() -> None:
    assert DutyEvidence.model_validate(GIVEN).who == "J. Ortiz"
    for name in GIVEN:
        for wrong in ({name: ""}, {name: None}):
            with pytest.raises(ValidationError) as refused:
                DutyEvidence.model_validate({**GIVEN, **wrong})
            assert [error["loc"] for error in refused.value.errors()] == [(name,)]


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_a_known_channel_is_named(channel: str) -> None:
    assert name_channel(channel) == name_channel(f" {channel.upper().replace('_', ' ')} ") == channel


@pytest.mark.parametrize("typed", ["told Marisol's mother by telephone", "", "telephone 555 0100"])
def test_what_may_be_anything_is_other(typed: str) -> None:
    assert name_channel(typed) == "other"
