"""What a running stack tells others: the ready line, the files that repeat it, and where to find them."""

import json
import os
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.devstack.datadir import DataDirectory, find_holder, write_atomically
from services.runtime.settings import Durability


class StackState(BaseModel):
    """The ready line, also kept in `stack.json`; the URLs end without a slash."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ready: bool = True
    durability: Durability
    intake: str
    notify: str
    routing: str
    kafka: str
    """`host:port[,…]`."""
    postgres: str
    """A libpq URL, with the password of the administrator."""
    smtp: str
    """Where e-mail goes: the server named by --smtp, or a sink that keeps mails as files."""
    data_dir: Path
    pids: dict[str, int]


class Pointer(BaseModel):
    """Says that a stack runs, and where."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    data_dir: Path


class Board:
    """Keeps `pids.json`, and once the stack is ready `stack.json`, true while processes come and go."""

    def __init__(self, directory: DataDirectory, *, shown: Collection[str]) -> None:
        self._directory = directory
        self._shown = shown
        self._state: StackState | None = None
        self.pids: dict[str, int] = {}

    def record(self, name: str, pid: int) -> None:
        """A process of this name was started."""
        if name not in self._shown:
            return
        self.pids[name] = pid
        write_atomically(self._directory.pids_file, json.dumps(self.pids) + "\n")
        if self._state is not None:
            self.announce(self._state.model_copy(update={"pids": self.pids}))

    def announce(self, state: StackState) -> None:
        """The stack is ready."""
        self._state = state
        write_atomically(self._directory.stack_file, state.model_dump_json() + "\n")

    def wipe(self) -> None:
        """Nothing runs here (any more)."""
        self._state = None
        self._directory.stack_file.unlink(missing_ok=True)
        self._directory.pids_file.unlink(missing_ok=True)


def find_state(directory: DataDirectory) -> StackState | None:
    """Of the stack that runs on the directory; None if none does or it is not ready yet."""
    if find_holder(directory) is None:
        return None
    try:
        return StackState.model_validate_json(directory.stack_file.read_bytes())
    except (OSError, ValidationError):
        return None


def find_pointer_folder() -> Path:
    """One folder per user: below XDG_RUNTIME_DIR, else below ~/.local/state."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime else Path.home() / ".local" / "state"
    return base / "tocsin" / "stacks"


def write_pointer(directory: DataDirectory, *, pid: int) -> None:
    folder = find_pointer_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(folder / f"{pid}.json", Pointer(pid=pid, data_dir=directory.root).model_dump_json())


def remove_pointer(*, pid: int) -> None:
    (find_pointer_folder() / f"{pid}.json").unlink(missing_ok=True)


def list_pointers() -> list[Pointer]:
    """Of the stacks that run now; what dead ones left behind is removed."""
    found = []
    for path in sorted(find_pointer_folder().glob("*.json")):
        pointer = _read_pointer(path)
        if pointer is not None and _holds(pointer):
            found.append(pointer)
        else:
            path.unlink(missing_ok=True)
    return found


def _holds(pointer: Pointer) -> bool:
    """A process number may have been given to somebody else since."""
    return find_holder(DataDirectory(pointer.data_dir)) == pointer.pid


def _read_pointer(path: Path) -> Pointer | None:
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
