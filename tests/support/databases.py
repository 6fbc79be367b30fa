"""Databases that tests take in turn: to empty one costs a thirtieth of what a clone of the template costs."""

import os
from collections.abc import Callable
from itertools import count

import asyncpg

_SERIAL = count(1)

_GONE_MS = 60_000

_END_OTHERS = """
SELECT pid FROM (
  SELECT pid, pg_terminate_backend(pid, $1) AS has_ended FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() OFFSET 0
) AS asked WHERE NOT has_ended
"""
"""Whom it could not end: one that stays, or that had gone by itself before it was asked."""

_STAYS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY($1::int[]))"

_FORGET = "DROP SCHEMA IF EXISTS shifted_clock CASCADE"
"""What a test installs to move the clock: to take it away costs a fortieth of what another database does."""

_SHAPE = """
SELECT md5(string_agg(said, ';' ORDER BY said)) FROM (
  SELECT format('class %s %s %s', oid, relname, relacl) FROM pg_class WHERE oid >= 16384
  UNION ALL SELECT format('column %s %s %s %s %s', attrelid, attname, atttypid, attnotnull, attacl)
    FROM pg_attribute WHERE attrelid >= 16384
  UNION ALL SELECT format('constraint %s %s', oid, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE oid >= 16384
  UNION ALL SELECT format('trigger %s %s', oid, tgenabled) FROM pg_trigger WHERE oid >= 16384
  UNION ALL SELECT format('function %s %s', oid, md5(prosrc)) FROM pg_proc WHERE oid >= 16384
  UNION ALL SELECT format('schema %s %s', nspname, nspacl) FROM pg_namespace
    WHERE nspname !~ '^pg_(toast_)?temp_'
  UNION ALL SELECT format('setting %s %s', setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS shape (said)
"""
"""What a migration makes, and no row of it: a test that changed it leaves a database that nobody can take."""

_EMPTY = """
DO $$
DECLARE
  full_tables text;
  known record;
  has_rows boolean;
BEGIN
  FOR known IN SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname !~ '^(pg_|information_schema)' AND tablename <> 'schema_migrations'
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', known.name) INTO has_rows;
    IF has_rows THEN full_tables := concat_ws(', ', full_tables, known.name); END IF;
  END LOOP;
  IF full_tables IS NOT NULL THEN EXECUTE format('TRUNCATE %s CASCADE', full_tables); END IF;
  FOR known IN SELECT format('%I.%I', schemaname, sequencename) AS name FROM pg_sequences
    WHERE last_value IS NOT NULL
  LOOP
    EXECUTE format('ALTER SEQUENCE %s RESTART', known.name);
  END LOOP;
  DELETE FROM pg_statistic WHERE starelid >= 16384;
END $$
"""
"""The planner, too, must know nothing of the rows there were: TRUNCATE forgets their number."""

CLEAR = """
DO $$
DECLARE
  known record;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR known IN SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname !~ '^(pg_|information_schema)' AND tablename <> 'schema_migrations'
  LOOP
    EXECUTE format('DELETE FROM %s', known.name);
  END LOOP;
  FOR known IN SELECT format('%I.%I', schemaname, sequencename) AS name FROM pg_sequences
    WHERE last_value IS NOT NULL
  LOOP
    EXECUTE format('ALTER SEQUENCE %s RESTART', known.name);
  END LOOP;
END $$
"""
"""For a database that stays in the same hands: a few rows go in a third of the time of a TRUNCATE."""


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


class Databases:
    """Clones of a migrated database. `url_of` gives the owner's URL of a database by its name."""

    def __init__(self, url_of: Callable[[str], str], template: str) -> None:
        self._url_of = url_of
        self._template = template
        self._free: list[str] = []
        self._shapes: dict[str, str] = {}

    async def take(self) -> str:
        """The name of an empty database, which nobody else is connected to."""
        if self._free:
            return self._free.pop()
        name = f"test_{os.getpid()}_{next(_SERIAL)}"
        await execute(self._url_of("postgres"), f'create database "{name}" template "{self._template}"')
        connection = await asyncpg.connect(self._url_of(name))
        try:
            self._shapes[name] = await connection.fetchval(_SHAPE)
        finally:
            await connection.close()
        return name

    async def give_back(self, name: str) -> None:
        """Cuts off whoever is connected. One whose tables are not what they were is never taken again."""
        connection = await asyncpg.connect(self._url_of(name))
        try:
            left = [row["pid"] for row in await connection.fetch(_END_OTHERS, _GONE_MS)]
            assert not await connection.fetchval(_STAYS, left), f"somebody stays connected to {name}"
            await connection.execute(_FORGET)
            is_unchanged = await connection.fetchval(_SHAPE) == self._shapes[name]
            if is_unchanged:
                await connection.execute(_EMPTY)
        finally:
            await connection.close()
        if is_unchanged:
            self._free.append(name)
        else:
            await execute(self._url_of("postgres"), f'drop database "{name}" with (force)')
