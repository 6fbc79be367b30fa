"""What every wire model shares: frozen, closed, and silent about the values it refuses."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema


class WireModel(BaseModel):
    """A model whose errors never show the input, since the input may be a victim's name.

    A field has one name on the wire: a Python name such as `from_` is an unknown key there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _NotNull:
    """Makes an optional field absent-or-given: `null` on the wire is refused."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's signature
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


_T = TypeVar("_T")


def _is_absent(value: object) -> bool:
    return value is None


Opt = Annotated[_T | None, _NotNull(), Field(exclude_if=_is_absent)]
"""Optional in Python (`None` when absent), never null on the wire, read or written (DOMAIN 6.0.1, 27)."""


_INSTANT: Final = (
    r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2199
_BORDER_YEARS: Final = frozenset({_FIRST_YEAR, _LAST_YEAR})
_NO_INSTANT: Final = (
    "must be an RFC 3339 date-time with its zone, "
    f"between the years {_FIRST_YEAR} and {_LAST_YEAR}, in UTC, too"
)
_DURATION: Final = (
    r"^P(?=.)(?:([0-9]{1,4})D)?(?:T(?=.)(?:([0-9]{1,5})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})S)?)?$"
)


def _parse_instant(value: object) -> datetime:
    """Refuse what pydantic also reads as a time, such as "1700000000", and years that overflow a deadline."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(_INSTANT, value):
        raise ValueError(_NO_INSTANT)
    try:
        instant = datetime.fromisoformat(value.upper())
    except ValueError:
        # Its own text quotes the value.
        raise ValueError(
            "names a day or a time that does not exist, such as 30 February or a leap second"
        ) from None
    # What is passed on is written in UTC, and must be an instant still.
    if instant.year in _BORDER_YEARS and not _FIRST_YEAR <= instant.astimezone(UTC).year <= _LAST_YEAR:
        raise ValueError(_NO_INSTANT)
    return instant


def _parse_length(value: object) -> timedelta:
    """Refuse what pydantic also reads as a duration: bare numbers, "1:00", and months of 30 days."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := re.fullmatch(_DURATION, value)):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    raise ValueError("must be an ISO 8601 duration of days, hours, minutes and seconds, such as PT36H")


Instant = Annotated[
    AwareDatetime, BeforeValidator(_parse_instant), Field(json_schema_extra={"pattern": _INSTANT})
]
"""A moment as an outsider writes it."""

Length = Annotated[
    timedelta,
    Field(gt=timedelta(0)),
    BeforeValidator(_parse_length),
    Field(json_schema_extra={"pattern": _DURATION}),
]
"""A length of time as an outsider writes it; a day is 24 elapsed hours (DOMAIN 6.0.1 point 14)."""
