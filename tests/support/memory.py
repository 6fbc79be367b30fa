"""Where tests keep their files: in memory, where there is enough of it.

Half the CPU of a database that is made for a test goes to the file system of a disk.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ENOUGH_BYTES: Final = 4 << 30
"""Several times what three workers keep at once."""


def find_folder(memory: Path = MEMORY, *, enough_bytes: int = ENOUGH_BYTES) -> Path | None:
    """The memory as a folder; None where there is too little, or where no program may be run from it."""
    try:
        found = os.statvfs(memory)
    except OSError:
        return None
    is_enough = found.f_bavail * found.f_frsize >= enough_bytes
    may_run = not found.f_flag & os.ST_NOEXEC
    return memory if is_enough and may_run and os.access(memory, os.W_OK) else None


def keep_files_in_memory() -> None:
    """From now on, for this process and those that it starts; unless `TMPDIR` says where."""
    folder = find_folder()
    if "TMPDIR" not in os.environ and folder is not None:
        os.environ["TMPDIR"] = str(folder)
        # It may have been found already, elsewhere.
        tempfile.tempdir = None
