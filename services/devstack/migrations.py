"""Every schema of Tocsin, brought to its newest version."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import asyncpg

import services
from services.devstack.database import ensure_roles
from services.devstack.errors import StartError
from services.runtime import shifted_clock
from services.runtime.migrate import KEYRING_MIGRATIONS, KEYRING_TABLE, MigrationError, apply_migrations

_SERVICES = Path(services.__path__[0])


@dataclass(frozen=True, slots=True)
class Migrations:
    """One folder of migrations and the table that records which were applied."""

    folder: Path
    table: str


KEYRING = Migrations(KEYRING_MIGRATIONS, KEYRING_TABLE)
OF_SERVICES = tuple(
    Migrations(_SERVICES / name / "migrations", f"{name}.schema_migrations")
    for name in ("intake", "routing", "notify")
)
ALL = (KEYRING, *OF_SERVICES)


async def migrate_database(admin_url: str) -> None:
    """Makes the roles and applies what is pending, on a database of somebody else's. Raises StartError."""
    try:
        connection = await asyncpg.connect(admin_url)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # The type alone: the text may repeat the URL, with its password.
        raise StartError(f"The database cannot be reached ({type(error).__name__}).") from error
    try:
        await ensure_roles(connection)
    except asyncpg.PostgresError as error:
        raise StartError(f"The services' roles cannot be made ({type(error).__name__}).") from error
    finally:
        await connection.close()
    await migrate_all(admin_url)


async def migrate_all(admin_url: str) -> None:
    """Applies what is pending; the services' roles must exist. Raises StartError."""
    try:
        await asyncio.to_thread(_apply, admin_url, KEYRING)
        # Each has a schema and a lock of its own.
        await asyncio.gather(*(asyncio.to_thread(_apply, admin_url, one) for one in OF_SERVICES))
    except MigrationError as error:
        raise StartError(f"A migration failed: {error}") from error


async def install_shifted_clock(admin_url: str) -> None:
    """Lets the services of a test ask for an instant that the test moves."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(shifted_clock.INSTALL)
    finally:
        await connection.close()


def _apply(admin_url: str, migrations: Migrations) -> None:
    apply_migrations(admin_url, migrations.folder, migrations.table)
