"""The pool against a PostgreSQL that comes, goes and comes back."""

import asyncio
import os
import signal

import asyncpg
import pytest
from pydantic import SecretStr

from services.devstack import logbook as devstack_logbook
from services.devstack.database import ADMIN
from services.devstack.postgres import EmbeddedPostgres
from services.runtime.database import (
    TRANSIENT_ERRORS,
    DatabaseUnavailableError,
    Pool,
    check_database,
    connection,
    is_transient,
    open_pool,
    transaction,
)
from services.runtime.logs import capture_logs
from tests.support.servers import Database, LoopThread
from tests.support.waiting import SECONDS


async def answers(pool: Pool) -> None:
    """Returns when the pool serves again."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await check_database(pool)
            except TRANSIENT_ERRORS:
                await asyncio.sleep(0.02)
            else:
                return


async def test_json_goes_in_and_comes_out_as_python(pool: Pool) -> None:
    value = {"rules": ["K-03"], "age": {"band": "13to15"}, "none": None, "ü": 1.5}
    async with connection(pool) as acquired:
        assert await acquired.fetchval("SELECT $1::jsonb", value) == value
        assert await acquired.fetchval("SELECT $1::json", value) == value
        assert await acquired.fetchval("SELECT $1::jsonb[]", [value, 1]) == [value, 1]


async def test_a_transaction_that_raises_leaves_nothing(pool: Pool) -> None:
    async with connection(pool) as acquired:
        await acquired.execute("CREATE TABLE IF NOT EXISTS left_over (n int)")
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 -- the block is what is tested
        async with transaction(pool) as acquired:
            await acquired.execute("INSERT INTO left_over VALUES (1)")
            raise ZeroDivisionError
    async with connection(pool) as acquired:
        assert await acquired.fetchval("SELECT count(*) FROM left_over") == 0


async def test_a_connection_given_back_costs_no_statement_and_leaves_no_transaction_open(
    pool: Pool,
) -> None:
    async with connection(pool) as acquired:
        backend = await acquired.fetchval("SELECT pg_backend_pid()")
        await acquired.execute("BEGIN")
    async with connection(pool) as first, connection(pool) as second:
        pids = {await each.fetchval("SELECT pg_backend_pid()"): each for each in (first, second)}
        assert not pids.pop(backend).is_in_transaction()
        (other,) = pids.values()
        last = "SELECT query FROM pg_stat_activity WHERE pid = $1"
        assert await other.fetchval(last, backend) == "SELECT pg_backend_pid()"


async def test_a_fault_of_ours_is_not_called_transient(pool: Pool) -> None:
    for statement, arguments in (
        ("SELECT * FROM nowhere", ()),
        ("SELECT 1", (1,)),
        ("SELECT $1::int", ("x",)),
    ):
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
            async with connection(pool) as acquired:
                await acquired.fetch(statement, *arguments)
        assert not is_transient(caught.value), statement


async def test_a_server_that_comes_later_is_waited_for_and_a_crash_survived(
    own_postgres: EmbeddedPostgres, server_loop: LoopThread
) -> None:
    with capture_logs(devstack_logbook.CATALOGUE) as lines:
        started = asyncio.Event()
        using = asyncio.create_task(use_pool(own_postgres, started))
        while not lines:  # noqa: ASYNC110 -- the line is the fact waited for
            await asyncio.sleep(0.01)
        await server_loop.finish(own_postgres.start())
        started.set()
        await using
    events = [line["event"] for line in lines if line["event"].startswith("database.")]
    assert events == ["database.unavailable", "database.available"]


async def use_pool(server: EmbeddedPostgres, started: asyncio.Event) -> None:
    """Opens a pool, crashes the server within a transaction, and goes on when it is back."""
    async with open_pool(SecretStr(server.url(ADMIN, database="postgres")), size=2) as pool:
        await started.wait()
        with pytest.raises(TRANSIENT_ERRORS):  # noqa: PT012 -- the block is what is tested
            async with transaction(pool) as acquired:
                await acquired.execute("SELECT 1")
                assert server.process.pid is not None
                os.kill(server.process.pid, signal.SIGQUIT)
                while True:
                    await acquired.execute("SELECT 1")
        await answers(pool)
        async with connection(pool) as acquired:
            assert await acquired.fetchval("SELECT 1") == 1


async def test_a_connection_closed_under_our_hands_is_the_database_s_trouble(pool: Pool) -> None:
    with pytest.raises(DatabaseUnavailableError):  # noqa: PT012 -- the block is what is tested
        async with connection(pool) as acquired:
            await acquired.close()
            await acquired.fetchval("SELECT 1")
    await check_database(pool)


async def test_a_connection_the_server_ended_is_the_database_s_trouble(pool: Pool) -> None:
    with pytest.raises(TRANSIENT_ERRORS):  # noqa: PT012 -- the block is what is tested
        async with connection(pool) as acquired:
            pid = await acquired.fetchval("SELECT pg_backend_pid()")
            async with connection(pool) as other:
                await other.execute("SELECT pg_terminate_backend($1)", pid)
            while True:
                await acquired.fetchval("SELECT 1")
    await check_database(pool)


async def test_a_statement_that_takes_too_long_is_cut_off_as_transient(database: Database) -> None:
    async with open_pool(database.admin, size=1) as pool, connection(pool) as acquired:
        with pytest.raises(TRANSIENT_ERRORS):
            await acquired.execute("SELECT pg_sleep(60)", timeout=0.05)


async def test_a_process_that_stands_still_in_a_transaction_loses_its_locks_and_may_try_again(
    database: Database,
) -> None:
    async with (
        open_pool(database.admin, size=1, idle_seconds=0.2) as sleeper,
        open_pool(database.admin, size=1) as other,
    ):
        with pytest.raises(TRANSIENT_ERRORS):  # noqa: PT012 -- the block is what is tested
            async with transaction(sleeper) as held:
                await held.execute("LOCK TABLE keyring.case_key")
                async with transaction(other) as waiting:
                    # Returns once the sleeper's session was ended by the server.
                    await waiting.execute("LOCK TABLE keyring.case_key")
                await held.execute("SELECT 1")
        await check_database(sleeper)
