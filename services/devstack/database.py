"""Roles and databases: what must exist before migrations can run."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg

ADMIN = "tocsin_admin"
DATABASE = "tocsin"
SERVICE_ROLES = ("tocsin_intake", "tocsin_routing", "tocsin_notify")
ROLES = (ADMIN, *SERVICE_ROLES)

_ROLES_SQL = Path(__file__).with_name("roles.sql")


def build_url(*, role: str, password: str, port: int, database: str = DATABASE) -> str:
    return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


async def ensure_roles(connection: asyncpg.Connection) -> None:
    """Creates the services' roles where they are missing; without passwords."""
    await connection.execute(_ROLES_SQL.read_text())


async def set_passwords(connection: asyncpg.Connection, passwords: Mapping[str, str]) -> None:
    for role, password in passwords.items():
        # A utility statement takes no parameters; the server does the quoting.
        statement = await connection.fetchval(
            "select format('alter role %I password %L', $1::text, $2::text)", role, password
        )
        await connection.execute(statement)


async def ensure_database(connection: asyncpg.Connection, name: str = DATABASE) -> None:
    if not await connection.fetchval("select exists (select from pg_database where datname = $1)", name):
        statement = await connection.fetchval("select format('create database %I', $1::text)", name)
        await connection.execute(statement)


async def write_to_files(admin_url: str) -> None:
    """What was committed gets into the files of tables, and not only into the write-ahead log."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
