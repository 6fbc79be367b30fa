"""Finding the stack that a command is to talk to."""

import os
from dataclasses import dataclass
from pathlib import Path

from services.devstack.datadir import DEFAULT_DATA_DIR, DataDirectory
from services.devstack.errors import DataDirectoryError
from services.devstack.keys import Keys, read_keys
from services.devstack.state import StackState, find_state, list_pointers


class NoStackError(Exception):
    """There is no one stack to talk to; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Addresses and keys. `keys` is as it is on disk now."""

    state: StackState
    keys: Keys

    @property
    def data_dir(self) -> Path:
        return self.state.data_dir


def find_stack(data_dir: Path | None = None) -> Stack:
    """That of *data_dir*, else of TOCSIN_DATA_DIR, else the only one of this user. Raises NoStackError."""
    chosen = data_dir or _from_environment()
    if chosen is not None:
        return _open(DataDirectory(chosen.resolve()))
    running = [pointer.data_dir for pointer in list_pointers()]
    here = DEFAULT_DATA_DIR.resolve()
    match running:
        case [only]:
            return _open(DataDirectory(only))
        case []:
            raise NoStackError(
                "No stack is running. Start one with `tocsin up --embedded` and leave it running."
            )
        case _ if here in running:
            return _open(DataDirectory(here))
        case _:
            listed = "\n".join(f"  --data-dir {path}" for path in running)
            raise NoStackError(f"Several stacks are running; say which:\n{listed}")


def find_stack_of(intake: str, data_dir: Path | None = None) -> Stack | None:
    """The stack whose intake this is: that of *data_dir* or TOCSIN_DATA_DIR, else any of this user."""
    chosen = data_dir or _from_environment()
    roots = [chosen.resolve()] if chosen is not None else [each.data_dir for each in list_pointers()]
    for root in roots:
        state = find_state(DataDirectory(root))
        if state is not None and state.intake == intake.rstrip("/"):
            return _open(DataDirectory(root))
    return None


def _open(directory: DataDirectory) -> Stack:
    state = find_state(directory)
    if state is None:
        raise NoStackError(
            f"No stack is ready in {directory.root}.\n"
            f"Start one with `tocsin up --embedded --data-dir {directory.root}` and wait for its ready line."
        )
    try:
        return Stack(state=state, keys=read_keys(directory.keys_file))
    except DataDirectoryError as error:
        raise NoStackError(str(error)) from error


def _from_environment() -> Path | None:
    value = os.environ.get("TOCSIN_DATA_DIR")
    return Path(value) if value else None
