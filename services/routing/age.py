"""Age on a day, in the bands that rules need. Unknown reads as a minor (DOMAIN 6.0)."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from schemas.case_event import EventData
from schemas.vocabulary import AgeBand

ADULT_AGE: Final = 18
_BANDS: Final = ((13, AgeBand.UNDER_13), (16, AgeBand.FROM_13_TO_15), (ADULT_AGE, AgeBand.FROM_16_TO_17))


@dataclass(frozen=True, slots=True)
class Age:
    """How old the person counts as; `presumed_minor` when nobody knows."""

    band: AgeBand

    @property
    def minor(self) -> bool:
        """Under 18, or not known to be older."""
        return self.band is not AgeBand.ADULT

    @property
    def presumed_minor(self) -> bool:
        """A minor only because the age is unknown."""
        return self.band is AgeBand.UNKNOWN


_AGES: Final = {band: Age(band) for band in AgeBand}


def read_age(data: EventData, today: date) -> Age:
    """The age on a day; a date of birth wins over a given band."""
    if data.date_of_birth is not None:
        return _AGES[band_of(years_old(data.date_of_birth, today))]
    return _AGES[data.age.band if data.age else AgeBand.UNKNOWN]


def years_old(born: date, today: date) -> int:
    """Completed years. Someone born on 29 February has a birthday on 1 March of other years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def band_of(years: int) -> AgeBand:
    """The band of an age in years."""
    return next((band for limit, band in _BANDS if years < limit), AgeBand.ADULT)


def eighteenth_birthday(born: date) -> date:
    """The day on which a person is an adult from 00:00 on; 1 March for one born on 29 February."""
    year = born.year + ADULT_AGE
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)
