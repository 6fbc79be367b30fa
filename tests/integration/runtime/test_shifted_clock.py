"""PostgreSQL's clock, moved for a test: a service's statements see it, and nobody else's."""

from datetime import datetime, timedelta

import pytest

from services.runtime.clock import SystemClock
from services.runtime.database import Pool, connection, open_pool
from services.runtime.shifted_clock import INSTALL, SHIFT, ShiftRefusedError
from tests.support.databases import execute
from tests.support.servers import Database

WAYS = ("now()", "statement_timestamp()", "clock_timestamp()")
HOUR = timedelta(hours=1)


async def ahead(pool: Pool, way: str) -> timedelta:
    """How far the database's clock, asked in this way, is ahead of the machine's."""
    async with connection(pool) as acquired:
        told: datetime = await acquired.fetchval(f"SELECT {way}")
    return told - SystemClock().now()


@pytest.mark.parametrize("way", WAYS)
async def test_a_service_s_statements_follow_the_clock_of_a_test(
    database: Database, pool: Pool, way: str
) -> None:
    await execute(database.admin, INSTALL)
    async with open_pool(database.url("routing"), size=1, shifted=True) as routing:
        assert abs(await ahead(routing, way)) < HOUR / 2
        async with connection(pool) as acquired:
            await acquired.execute(SHIFT, HOUR)
        assert HOUR / 2 < await ahead(routing, way) < 2 * HOUR
    assert abs(await ahead(pool, way)) < HOUR / 2


async def test_a_database_that_is_no_test_s_refuses_a_clock_that_is_moved(database: Database) -> None:
    with pytest.raises(ShiftRefusedError):
        async with open_pool(database.url("routing"), size=1, shifted=True):
            pass
