"""Migrations, applied by dbmate to a real PostgreSQL."""

import asyncio
from pathlib import Path

import pytest

from services.runtime.database import Pool, connection
from services.runtime.migrate import KEYRING_MIGRATIONS, KEYRING_TABLE, MigrationError, apply_migrations
from tests.support.servers import Database


def write(folder: Path, number: int, statement: str) -> None:
    (folder / f"{number:04}_step.sql").write_text(f"-- migrate:up\n{statement}\n-- migrate:down\n")


async def count_of(pool: Pool, table: str) -> int:
    async with connection(pool) as acquired:
        return int(await acquired.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 -- our own names


async def test_what_is_pending_is_applied_once_and_recorded_in_the_schema_s_own_table(
    database: Database, pool: Pool, tmp_path: Path
) -> None:
    write(tmp_path, 1, "CREATE SCHEMA IF NOT EXISTS steps; CREATE TABLE steps.step (n int);")
    apply_migrations(database.admin, tmp_path, "steps.schema_migrations")
    write(tmp_path, 2, "INSERT INTO steps.step VALUES (2);")
    for _ in range(2):
        apply_migrations(database.admin, tmp_path, "steps.schema_migrations")
    assert await count_of(pool, "steps.step") == 1
    assert await count_of(pool, "steps.schema_migrations") == 2


async def test_processes_that_migrate_at_once_do_not_collide(
    database: Database, pool: Pool, tmp_path: Path
) -> None:
    write(tmp_path, 1, "CREATE SCHEMA IF NOT EXISTS race; CREATE TABLE race.step (n int);")
    write(tmp_path, 2, "INSERT INTO race.step VALUES (1);")
    migrations = [
        asyncio.to_thread(apply_migrations, database.admin, tmp_path, "race.schema_migrations")
        for _ in range(4)
    ]
    await asyncio.gather(*migrations)
    assert await count_of(pool, "race.step") == 1


async def test_a_migration_that_fails_says_so_and_leaves_nothing(
    database: Database, pool: Pool, tmp_path: Path
) -> None:
    write(tmp_path, 1, "CREATE TABLE public.half (n int); SELECT 1/0;")
    with pytest.raises(MigrationError, match=r"broken\.schema_migrations: .*division by zero"):
        apply_migrations(database.admin, tmp_path, "broken.schema_migrations")
    async with connection(pool) as acquired:
        assert await acquired.fetchval("SELECT to_regclass('public.half')") is None


async def test_the_keyring_s_migrations_can_be_applied_again(database: Database) -> None:
    apply_migrations(database.admin, KEYRING_MIGRATIONS, KEYRING_TABLE)
