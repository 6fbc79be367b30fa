from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import Instant, Length, Opt, WireModel

INSTANT = TypeAdapter[datetime](Instant)
LENGTH = TypeAdapter[timedelta](Length)


class Shape(WireModel):
    when: Opt[Instant] = None
    how_long: Opt[Length] = None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-03T22:10:00-08:00", datetime(2026, 3, 4, 6, 10, tzinfo=UTC)),
        ("2026-03-04T06:10:00Z", datetime(2026, 3, 4, 6, 10, tzinfo=UTC)),
        ("2026-03-04t06:10:00z", datetime(2026, 3, 4, 6, 10, tzinfo=UTC)),
        ("2026-03-04T06:10:00.25Z", datetime(2026, 3, 4, 6, 10, 0, 250_000, tzinfo=UTC)),
        ("2026-03-04T06:10:00.123456789Z", datetime(2026, 3, 4, 6, 10, 0, 123_456, tzinfo=UTC)),
        ("1900-01-01T14:00:00+14:00", datetime(1900, 1, 1, tzinfo=UTC)),
        ("2199-12-31T09:59:59-14:00", datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_as_rfc_3339_writes_it(text: str, instant: datetime) -> None:
    assert INSTANT.validate_python(text) == instant
    assert INSTANT.validate_json(f'"{text}"', strict=True) == instant


@pytest.mark.parametrize(
    "text",
    [
        "1772608500",
        "2026-03-03",
        "2026-03-03T22:10:00",
        "2026-03-03 22:10:00Z",
        "2026-03-03_22:10:00Z",
        "2026-03-03T22:10Z",
        "2026-03-03T22:10:00-0800",
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-08:00",
        "1900-01-01T00:00:00+00:01",
        "2199-12-31T23:59:59-23:59",
        "2026-03-03T22:10:00Z\n",
        "٢٠٢٦-03-03T22:10:00Z",
    ],
)
def test_what_only_looks_like_an_instant_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ValidationError, match="must be an RFC 3339 date-time") as refusal:
        INSTANT.validate_python(text)
    assert text not in refusal.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "text",
    ["2026-02-30T22:10:00Z", "2026-13-01T22:10:00Z", "2026-03-03T25:00:00Z", "2026-03-03T22:10:00+24:00"],
)
def test_a_day_or_a_time_that_does_not_exist_is_called_so(text: str) -> None:
    with pytest.raises(ValidationError, match="a day or a time that does not exist") as refusal:
        INSTANT.validate_python(text)
    assert text not in refusal.value.errors()[0]["msg"]


@pytest.mark.parametrize("value", [1772608500, 1.5, None, True, ["2026-03-03T22:10:00Z"]])
def test_what_is_no_text_is_no_instant(value: object) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2199, 12, 31),  # noqa: DTZ001 - likewise
        timezones=st.builds(timezone, st.builds(timedelta, minutes=st.integers(-1439, 1439))),
    )
)
def test_every_instant_survives_being_written_and_read(instant: datetime) -> None:
    assert INSTANT.validate_python(instant.isoformat()) == instant
    assert INSTANT.validate_python(instant.astimezone(UTC).isoformat()) == instant
    assert Shape.model_validate_json(Shape(when=instant).model_dump_json(), strict=True).when == instant


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2199, 12, 31),  # noqa: DTZ001 - likewise
        timezones=st.builds(timezone, st.builds(timedelta, minutes=st.integers(-1439, 1439))),
    )
)
def test_a_deadline_can_be_counted_from_every_instant(instant: datetime) -> None:
    read = INSTANT.validate_python(instant.isoformat())
    assert read.astimezone(UTC) + timedelta(days=365) > read


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT36H", timedelta(hours=36)),
        ("PT15M", timedelta(minutes=15)),
        ("P30D", timedelta(days=30)),
        ("P1DT12H30M", timedelta(days=1, hours=12, minutes=30)),
        ("PT3S", timedelta(seconds=3)),
        ("P1DT12H30M5S", timedelta(days=1, hours=12, minutes=30, seconds=5)),
    ],
)
def test_a_length_is_read_as_iso_8601_writes_it(text: str, length: timedelta) -> None:
    assert LENGTH.validate_python(text) == length
    assert LENGTH.validate_json(f'"{text}"', strict=True) == length


@pytest.mark.parametrize(
    "value",
    [
        "36",
        36,
        "1:00:00",
        "P",
        "PT",
        "P1M",
        "P1Y",
        "P1W",
        "-PT1H",
        "PT0M",
        "pt1h",
        "P1DT",
        "PT0S",
        "PT1.5S",
        "PT1S1M",
        None,
        True,
    ],
)
def test_what_has_no_length_in_hours_is_no_length(value: object) -> None:
    with pytest.raises(ValidationError):
        LENGTH.validate_python(value)


@given(st.integers(1, 99_999))
def test_every_length_survives_being_written_and_read(seconds: int) -> None:
    shape = Shape(how_long=timedelta(seconds=seconds))
    assert Shape.model_validate_json(shape.model_dump_json(), strict=True) == shape


def test_absent_is_none_and_null_is_refused() -> None:
    assert Shape.model_validate_json("{}").when is None
    with pytest.raises(ValidationError):
        Shape.model_validate_json('{"when": null}')


def test_what_is_absent_is_not_written_as_null() -> None:
    assert Shape().model_dump_json() == "{}"
    assert Shape().model_dump() == {}


def test_an_error_does_not_print_what_was_given() -> None:
    with pytest.raises(ValidationError) as refusal:
        Shape.model_validate_json('{"when": "Markovaldo", "Unknown": "Markovaldo"}')
    assert "Markovaldo" not in str(refusal.value)
