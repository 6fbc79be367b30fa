"""PostgreSQL refuses to run as root: then it runs as `nobody`, who must reach all it needs."""

import os
import pwd
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


def give(path: Path, account: Account | None) -> None:
    """Makes the account the owner."""
    if account is not None:
        os.chown(path, account.uid, account.gid)
