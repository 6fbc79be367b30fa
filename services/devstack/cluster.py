"""A PostgreSQL cluster: made, placed where its account reaches it, freed of what a crash left behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.devstack.account import Account, give
from services.devstack.commands import run_once
from services.devstack.database import ADMIN
from services.devstack.errors import DataDirectoryError, StartError
from services.devstack.postgres_config import (
    INCLUDE,
    PostgresSettings,
    render_pg_hba_conf,
    render_tocsin_conf,
)
from services.devstack.programs import PostgresPrograms, find_major_version
from services.runtime.logs import get_logger

log = get_logger()

_HERE = "/proc/self/cwd"

_POLL_SECONDS = 0.05
_ORPHAN_POLLS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One database cluster on disk."""

    home: Path
    """Belongs to the account; holds the cluster and what is needed to make it."""
    programs: PostgresPrograms
    account: Account | None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def shown(self, folder: Path) -> str:
        """How a program whose working directory is *folder* names it.

        The account of root's server may have no way to the folder, as below /root; but a process has a way to
        its own working directory, which it was put into before it became that account.
        """
        return _HERE if self.account is not None and Path(_HERE).exists() else str(folder)

    @property
    def exists(self) -> bool:
        return self.data.is_dir()


async def create_cluster(cluster: Cluster, *, admin_password: str) -> None:
    """`initdb` beside the final place and one rename, so that a half-made cluster is never taken for one."""
    unfinished = cluster.home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for folder in (cluster.home, unfinished):
        folder.mkdir(mode=0o700, exist_ok=True)
        give(folder, cluster.account)
    shown = cluster.shown(unfinished)
    with _password_file(admin_password, cluster) as name:
        await run_once(
            [
                cluster.programs.initdb,
                *("--pgdata", shown, "--username", ADMIN, "--pwfile", f"{shown}/../{name}"),
                *(
                    "--auth",
                    "scram-sha-256",
                    "--encoding",
                    "UTF8",
                    "--no-locale",
                    "--no-sync",
                    "--no-instructions",
                ),
            ],
            environment=clean_environment(),
            directory=unfinished,
            account=cluster.account,
        )
    with (unfinished / "postgresql.conf").open("a") as conf:
        conf.write(INCLUDE)
    unfinished.rename(cluster.data)


def check_version(cluster: Cluster) -> None:
    """Raises DataDirectoryError when another major version made the cluster."""
    made_by = int((cluster.data / "PG_VERSION").read_text())
    have = find_major_version(cluster.programs.postgres)
    if made_by != have:
        raise DataDirectoryError(
            f"{cluster.data} was made by PostgreSQL {made_by}, and this is PostgreSQL {have}.\n"
            "Use the version of Tocsin that made it, or start on another --data-dir."
        )


def write_configuration(cluster: Cluster, settings: PostgresSettings) -> None:
    for name, text in (
        ("tocsin.conf", render_tocsin_conf(settings)),
        ("pg_hba.conf", render_pg_hba_conf()),
    ):
        path = cluster.data / name
        path.write_text(text)
        path.chmod(0o600)
        give(path, cluster.account)


async def free_of_predecessor(cluster: Cluster) -> None:
    """Ends an orphaned server, and removes a pid file whose process is none."""
    pid_file = cluster.data / "postmaster.pid"
    pid = _read_pid(pid_file)
    if pid is None:
        return
    if _serves(pid, cluster):
        log.warning("postgres.orphan_found", pid=pid)
        await _end_orphan(pid, cluster)
    # The data directory's lock is ours: nobody else may start a server here, so the file is stale.
    pid_file.unlink(missing_ok=True)


def clean_environment() -> dict[str, str]:
    """Without the PG* variables, which would change what the programs do."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


@contextlib.contextmanager
def _password_file(password: str, cluster: Cluster) -> Iterator[str]:
    """Its name in the cluster's home, for as long as `initdb` needs it."""
    with tempfile.NamedTemporaryFile("w", dir=cluster.home, suffix=".pw") as file:
        file.write(password)
        file.flush()
        give(Path(file.name), cluster.account)
        yield Path(file.name).name


def _read_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _serves(pid: int, cluster: Cluster) -> bool:
    """Whether the process is a server on this very directory, and not a newcomer with the same number."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == cluster.data
    except OSError:
        ask = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
        listed = subprocess.run(ask, capture_output=True, check=False)
        return os.fsencode(cluster.data) in listed.stdout


async def _end_orphan(pid: int, cluster: Cluster) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        for _ in range(_ORPHAN_POLLS):
            if not _serves(pid, cluster):
                return
            await asyncio.sleep(_POLL_SECONDS)
    raise StartError(f"An earlier PostgreSQL (process id {pid}) holds the data directory and does not end.")
