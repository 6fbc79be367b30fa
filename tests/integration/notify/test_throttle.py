"""Counting tries: processes that count at one moment do not wait for each other in a circle."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.notify.repository.throttle import Tally, ThrottleRepository
from services.runtime.database import Pool, open_pool
from tests.integration.notify.rig import wait_until
from tests.support.servers import Database

NOW = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)
MOMENT = timedelta(seconds=1)
FIRST, SECOND = b"\x01", b"\x02"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with open_pool(database.url("notify"), size=4) as opened:
        yield opened


async def wait_for_waiting(observer: asyncpg.Connection, count: int) -> None:
    """Returns once so many of notify's statements wait for a lock."""

    async def are_waiting() -> bool:
        waiting = await observer.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND usename = 'tocsin_notify' AND datname = current_database()"
        )
        return int(waiting) == count

    await wait_until(are_waiting)


async def test_who_tidies_up_never_waits_in_a_circle_with_who_counts(database: Database, pool: Pool) -> None:
    tries = ThrottleRepository(pool)
    await tries.count([FIRST], now=NOW, until=LATER)
    await tries.count([SECOND], now=NOW - MOMENT, until=NOW)
    holder, observer = await asyncpg.connect(database.admin), await asyncpg.connect(database.admin)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM notify.throttle WHERE subject = $1 FOR UPDATE", FIRST)
            # By its clock the second is not over yet: it wants both.
            both = asyncio.create_task(tries.count([FIRST, SECOND], now=NOW - MOMENT, until=LATER))
            await wait_for_waiting(observer, 1)
            # By the other's it is over: it takes it away, and then wants the first.
            one = asyncio.create_task(tries.count([FIRST], now=NOW, until=LATER))
            await wait_for_waiting(observer, 2)
        tallies = (await both, await one)
    finally:
        await asyncio.gather(holder.close(), observer.close())
    assert tallies == ({FIRST: Tally(2, LATER), SECOND: Tally(1, LATER)}, {FIRST: Tally(3, LATER)})


async def test_a_while_that_is_over_begins_anew_though_nobody_tidied_up(
    database: Database, pool: Pool
) -> None:
    tries = ThrottleRepository(pool)
    await tries.count([FIRST], now=NOW - MOMENT, until=NOW)
    await tries.count([SECOND], now=NOW - MOMENT, until=NOW)
    holder, observer = await asyncpg.connect(database.admin), await asyncpg.connect(database.admin)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM notify.throttle WHERE subject = $1 FOR UPDATE", FIRST)
            # Held by another, it is passed over when they are tidied up, and not when it is counted.
            counting = asyncio.create_task(tries.count([FIRST], now=NOW, until=LATER))
            await wait_for_waiting(observer, 1)
        assert await counting == {FIRST: Tally(1, LATER)}
        assert await observer.fetchval("SELECT count(*) FROM notify.throttle") == 1
    finally:
        await asyncio.gather(holder.close(), observer.close())


async def test_tries_within_a_while_add_up_to_its_end(pool: Pool) -> None:
    tries = ThrottleRepository(pool)
    await tries.count([FIRST], now=NOW, until=LATER)
    tallies = await tries.count([FIRST], now=NOW + MOMENT, until=LATER + MOMENT)
    assert tallies == {FIRST: Tally(2, LATER)}
