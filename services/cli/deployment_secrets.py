"""`tocsin deployment-secrets`: every secret that compose.yaml reads, made once."""

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_USAGE_ERROR = 2
_ADMIN = "tocsin_admin"
_ROLES = ("intake", "routing", "notify")

# One line a paragraph: the terminal wraps it.
_EPILOG = (
    "[bold]Example[/bold]\n\n"
    "  [cyan]tocsin deployment-secrets secrets[/cyan]\n\n"
    "The folder is for its owner alone. The files in it can be read by the containers' users, who see no "
    "more of it than the files they are given. Keep a copy where the database's backup is not: without "
    "kek.json the database is noise."
)


@app.command(epilog=_EPILOG)
def make(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")] = Path("secrets"),
    database: Annotated[
        str, typer.Option(metavar="HOST:PORT/NAME", help="Where the services find PostgreSQL.")
    ] = "postgres:5432/tocsin",
) -> None:
    """Make passwords, database URLs, both keys and an operator's key for a deployment by compose.yaml."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        print(f"tocsin deployment-secrets: {folder} is there already; nothing was changed", file=sys.stderr)
        raise typer.Exit(_USAGE_ERROR) from None
    _write_database_secrets(folder, database)
    _write_keys(folder)
    print(f"{folder}: made. The operator's key is in {folder / 'operator.key'}.")


def _write_database_secrets(folder: Path, database: str) -> None:
    admin = secrets.token_urlsafe(24)
    _write(folder / "postgres_password", admin)
    _write(folder / "admin_database_url", f"postgresql://{_ADMIN}:{admin}@{database}")
    for role in _ROLES:
        password = secrets.token_urlsafe(24)
        _write(folder / f"{role}_password", password)
        _write(folder / f"{role}_database_url", f"postgresql://tocsin_{role}:{password}@{database}")


def _write_keys(folder: Path) -> None:
    from services.runtime.crypto import Kek, generate_key_file, hash_api_key, new_api_key

    Kek.generate_file(folder / "kek.json")
    generate_key_file(folder / "deployment.key")
    for name in ("kek.json", "deployment.key"):
        (folder / name).chmod(0o644)
    operator = new_api_key("tco")
    path = folder / "operator.key"
    path.touch(mode=0o600)
    path.write_text(operator + "\n")
    for service in ("routing", "notify"):
        _write(folder / f"{service}.env", f"TOCSIN_{service.upper()}_OPERATOR_KEYS={hash_api_key(operator)}")


def _write(path: Path, text: str) -> None:
    # A container's user is another one: the folder keeps everybody else out.
    path.write_text(text + "\n")
    path.chmod(0o644)
