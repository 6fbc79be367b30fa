"""The data directory: its layout, its lock, and files that are never half-written."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from services.devstack.errors import DataDirectoryError, DataDirectoryInUseError

DEFAULT_DATA_DIR = Path(".tocsin")

_LOCK_ATTEMPTS = 10
_LOCK_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Where one stack keeps everything."""

    root: Path

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def pids_file(self) -> Path:
        return self.root / "pids.json"

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def keys_file(self) -> Path:
        return self.root / "keys.json"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def kek_file(self) -> Path:
        return self.secrets / "kek.json"

    @property
    def deployment_key_file(self) -> Path:
        return self.secrets / "deployment.key"

    @property
    def passwords_file(self) -> Path:
        return self.secrets / "postgres.json"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def postgres_log(self) -> Path:
        return self.root / "postgres.log"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def mail(self) -> Path:
        return self.root / "mail"


@contextlib.contextmanager
def open_data_directory(path: Path) -> Iterator[DataDirectory]:
    """Makes the directory if need be and holds its lock. Raises DataDirectoryError.

    The lock is the kernel's and goes with its holder, so a killed stack leaves none behind.
    """
    directory = DataDirectory(path.resolve())
    _make(directory)
    with directory.lock_file.open("a+") as lock:
        if not _lock(lock):
            raise DataDirectoryInUseError(
                f"{directory.root} is in use by the stack with process id {find_holder(directory)}.\n"
                "Stop that one first, or choose another directory with --data-dir."
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield directory


def find_holder(directory: DataDirectory) -> int | None:
    """The process that holds the directory's lock; None if nobody does, or nobody any more."""
    try:
        with directory.lock_file.open() as lock:
            # A file may long outlive its writer; only the lock itself tells.
            if _try_lock(lock, fcntl.LOCK_SH):
                return None
            return int(lock.read())
    except (OSError, ValueError):
        return None


def _lock(lock: TextIO) -> bool:
    """Patient for a moment: somebody may be asking who holds it."""
    for _ in range(_LOCK_ATTEMPTS):
        if _try_lock(lock, fcntl.LOCK_EX):
            return True
        time.sleep(_LOCK_PAUSE_SECONDS)
    return False


def _try_lock(lock: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Readers see the old content or the new, whole."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _make(directory: DataDirectory) -> None:
    try:
        directory.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.secrets.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise DataDirectoryError(
            f"{directory.root} cannot be used as data directory: {error.strerror}.\n"
            "Choose another with --data-dir."
        ) from error
