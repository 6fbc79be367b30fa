"""Tests take databases in turn, and must not find what another left."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.runtime.shifted_clock import INSTALL, IS_INSTALLED
from tests.support.databases import Databases
from tests.support.servers import Database, PostgresServer

ADD_KEY = (
    "INSERT INTO keyring.case_key (key_id, case_ref, kek_version) VALUES (gen_random_uuid(), 'case-1', 1)"
)
COUNT_UP = "SELECT nextval(schemaname || '.' || sequencename) FROM pg_sequences"
KEYS = "SELECT count(*) FROM keyring.case_key"
COUNTED = "SELECT count(last_value) FROM pg_sequences"
ESTIMATED = "SELECT reltuples FROM pg_class WHERE oid = 'keyring.case_key'::regclass"
MEASURED = "SELECT count(*) FROM pg_stats WHERE schemaname = 'keyring'"


@asynccontextmanager
async def taken(
    server: PostgresServer, databases: Databases
) -> AsyncIterator[tuple[str, "asyncpg.Connection[asyncpg.Record]"]]:
    """A database and a connection to it."""
    name = await databases.take()
    connection = await asyncpg.connect(Database(server, name).admin)
    try:
        yield name, connection
    finally:
        await databases.give_back(name)
        connection.terminate()


async def test_one_that_was_used_is_taken_again_empty_and_without_who_was_connected(
    postgres_server: PostgresServer, databases: Databases
) -> None:
    used = await databases.take()
    lingering = await asyncpg.connect(Database(postgres_server, used).admin)
    await lingering.execute(f"{ADD_KEY}; {COUNT_UP}; ANALYZE keyring.case_key")
    await databases.give_back(used)
    try:
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            await lingering.fetchval(KEYS)
    finally:
        lingering.terminate()
    async with taken(postgres_server, databases) as (name, connection):
        assert name == used
        left = [await connection.fetchval(query) for query in (KEYS, COUNTED, MEASURED, ESTIMATED)]
    assert left == [0, 0, 0, -1]


async def test_one_whose_clock_was_moved_is_taken_again_with_the_clock_that_all_have(
    postgres_server: PostgresServer, databases: Databases
) -> None:
    async with taken(postgres_server, databases) as (used, connection):
        await connection.execute(INSTALL)
    async with taken(postgres_server, databases) as (name, connection):
        assert name == used
        assert not await connection.fetchval(IS_INSTALLED)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE keyring.left_over (n int)",
        "CREATE SCHEMA left_over",
        "ALTER TABLE keyring.case_key ADD COLUMN left_over int",
        "ALTER TABLE keyring.case_key ALTER COLUMN case_ref DROP NOT NULL",
        "REVOKE SELECT ON keyring.case_key FROM tocsin_notify",
        "CREATE INDEX ON keyring.case_key (kek_version)",
        "ALTER ROLE tocsin_notify IN DATABASE {name} SET work_mem = '8MB'",
    ],
)
async def test_one_whose_tables_were_changed_is_never_taken_again(
    postgres_server: PostgresServer, databases: Databases, change: str
) -> None:
    async with taken(postgres_server, databases) as (changed, connection):
        await connection.execute(change.format(name=f'"{changed}"'))
    async with taken(postgres_server, databases) as (name, _):
        assert name != changed
