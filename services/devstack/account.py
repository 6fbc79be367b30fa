"""PostgreSQL refuses to run as root: then it runs as `nobody`, who must reach all it needs."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Account:
    """A user a child process changes to."""

    uid: int
    gid: int


def find_account(*, effective_uid: int) -> Account | None:
    """Whom PostgreSQL runs as: None is ourselves."""
    if effective_uid != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(_NOBODY, _NOBODY)
    return Account(entry.pw_uid, entry.pw_gid)


def can_write(directory: Path, account: Account | None) -> bool:
    """Whether the account reaches the directory, through all of its parents, and may write there."""
    if account is None:
        return os.access(directory, os.W_OK | os.X_OK)
    test = subprocess.run(
        ["/bin/sh", "-c", 'test -w "$0" && test -x "$0"', str(directory)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        check=False,
    )
    return test.returncode == 0


def give(path: Path, account: Account | None) -> None:
    """Makes the account the owner."""
    if account is not None:
        os.chown(path, account.uid, account.gid)
