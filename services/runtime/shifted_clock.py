"""For tests alone: a clock that is moved while the services run, theirs and PostgreSQL's by the same length.

A service reads the length from a file, its statements from a table. Their text is the one of production:
`now()` and its like are looked up along the search path, which in a test begins with a schema of ours. So
nothing is paid for it elsewhere, and a service that is told to use it ends on a database without that schema.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from services.runtime.clock import Clock, SystemClock

VARIABLE: Final = "TOCSIN_TEST_CLOCK_FILE"
SEARCH_PATH: Final = "shifted_clock, pg_catalog, public"

INSTALL: Final = """
CREATE SCHEMA IF NOT EXISTS shifted_clock;
CREATE TABLE IF NOT EXISTS shifted_clock.shift (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    length interval NOT NULL
);
INSERT INTO shifted_clock.shift (length) VALUES ('0') ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION shifted_clock.now() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT pg_catalog.now() + (SELECT length FROM shifted_clock.shift)';
CREATE OR REPLACE FUNCTION shifted_clock.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT pg_catalog.statement_timestamp() + (SELECT length FROM shifted_clock.shift)';
CREATE OR REPLACE FUNCTION shifted_clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
    AS 'SELECT pg_catalog.clock_timestamp() + (SELECT length FROM shifted_clock.shift)';
GRANT USAGE ON SCHEMA shifted_clock TO PUBLIC;
GRANT SELECT ON shifted_clock.shift TO PUBLIC;
"""
"""What an owner of the database runs to have its clock moved; no migration does."""

IS_INSTALLED: Final = "SELECT to_regclass('shifted_clock.shift') IS NOT NULL"
SHIFT: Final = "UPDATE shifted_clock.shift SET length = $1"


class ShiftRefusedError(Exception):
    """A shifted clock was asked for where its database knows of none."""

    def __init__(self) -> None:
        super().__init__(f"{VARIABLE} is for tests: this database has no clock that may be moved. Unset it.")


class ShiftedClock:
    """The machine's clock, and as many seconds as the file says at the moment."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now().astimezone(UTC) + timedelta(seconds=float(self._file.read_text()))

    def monotonic(self) -> float:
        return self._clock.monotonic()


def build_clock(file: Path | None) -> Clock:
    """The machine's clock, but in a test that moves it."""
    return SystemClock() if file is None else ShiftedClock(file, SystemClock())


def is_loopback(host: str | None) -> bool:
    """Whether whoever listens there is on this machine and alone."""
    try:
        return host == "localhost" or ip_address((host or "").strip("[]")).is_loopback
    except ValueError:
        return False
