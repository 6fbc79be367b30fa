"""The counties there are: five digits that look like a code may be nobody's."""

from functools import cache
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("counties.txt")


@cache
def list_counties() -> frozenset[str]:
    """Every code of the Census Bureau's list, as FIPS strings of five digits."""
    lines = (line.split() for line in _FILE.read_text().splitlines() if not line.startswith("#"))
    return frozenset(f"{state}{county}" for state, *counties in lines for county in counties)
