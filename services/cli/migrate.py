"""`tocsin migrate`: a real database, brought to the newest version."""

import asyncio
import sys
from typing import Annotated

import typer

from services.devstack.errors import StackError

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_USAGE_ERROR = 2

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Example[/bold]\n\n"
    "  [cyan]export TOCSIN_ADMIN_DATABASE_URL=postgresql://owner:secret@db.internal/tocsin[/cyan]\n\n"
    "  [cyan]tocsin migrate[/cyan]\n\n"
    "Makes the login roles tocsin_intake, tocsin_routing and tocsin_notify where they are missing, without "
    "passwords: give them some with ALTER ROLE, and each service its own in TOCSIN_DATABASE_URL. "
    "Safe to run again."
)


@app.command(epilog=_EPILOG)
def migrate(
    url: Annotated[
        str,
        typer.Option(
            "--admin-url",
            envvar="TOCSIN_ADMIN_DATABASE_URL",
            show_envvar=True,
            help="libpq URL of the database, with the role that shall own the tables. Better given as the "
            "variable: a command line is visible to everybody on the machine.",
        ),
    ] = "",
) -> None:
    """Apply every pending migration of every schema: keyring, intake, routing, notify."""
    url = url or _read_from_file()
    if not url:
        print(
            "tocsin migrate: set TOCSIN_ADMIN_DATABASE_URL to the database's URL, or "
            "TOCSIN_ADMIN_DATABASE_URL_FILE to a file that holds it",
            file=sys.stderr,
        )
        raise typer.Exit(_USAGE_ERROR)
    from services.devstack.migrations import migrate_database

    try:
        asyncio.run(migrate_database(url))
    except StackError as error:
        print(f"tocsin migrate: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    print("Every schema is at its newest version.")


def _read_from_file() -> str:
    from pydantic import SecretStr

    from services.runtime.secret_files import FileAwareSettings, SecretFileError

    class AdminSettings(FileAwareSettings):
        admin_database_url: SecretStr = SecretStr("")

    try:
        return AdminSettings().admin_database_url.get_secret_value()
    except SecretFileError as error:
        print(f"tocsin migrate: {error}", file=sys.stderr)
        raise typer.Exit(_USAGE_ERROR) from None
