"""When a duty is due: elapsed hours, working days, before an appointment, or no hour at all."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Final, assert_never
from zoneinfo import ZoneInfo

import holidays

from schemas.case_event import CaseEvent
from schemas.pack import BusinessDays, DutySpec

CALIFORNIA: Final = ZoneInfo("America/Los_Angeles")
_END_OF_DAY: Final = time(23, 59, 59)
_SATURDAY: Final = 5


def find_due(
    spec: DutySpec, event: CaseEvent, *, discovered_at: datetime, processed_at: datetime
) -> datetime | None:
    """The instant a duty is due, in UTC; None where the law names no hour."""
    if spec.before is not None:
        start = event.data.appointment.start if event.data.appointment else None
        return None if start is None else start.astimezone(UTC)
    begins = processed_at if spec.from_ == "processed_at" else discovered_at
    length = _length(spec, event)
    match length:
        case None:
            return None
        case timedelta():
            # In UTC, so that hours stay elapsed hours when the clocks change.
            return begins.astimezone(UTC) + length
        case BusinessDays():
            last = last_business_day(begins.astimezone(CALIFORNIA).date(), length.business_days)
            return datetime.combine(last, _END_OF_DAY, CALIFORNIA).astimezone(UTC)
        case _:
            assert_never(length)


@lru_cache(maxsize=4096)
def last_business_day(start: date, days: int) -> date:
    """The last of so many days on which the state's offices are open, from the day after the start."""
    day = start
    while days:
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY and day not in _state_holidays():
            days -= 1
    return day


def _length(spec: DutySpec, event: CaseEvent) -> timedelta | BusinessDays | None:
    """The length that applies: a flag of the event may call for another one."""
    if spec.within_if is not None and getattr(event.data.flags, spec.within_if.flag):
        return spec.within_if.within
    return spec.within


@cache
def _state_holidays() -> holidays.HolidayBase:
    return holidays.country_holidays("US", subdiv="CA", observed=True, categories="public")
