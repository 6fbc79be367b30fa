"""Programs from Debian that system tests run against: found, or the test fails and says what to do."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

# Where a mail server lies, and not everybody looks.
_FOLDERS: Final = ("/usr/sbin", "/sbin")


def find_program(name: str) -> Path:
    """Fails the test where the program is missing: a test that is skipped shows nothing."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS]))
    if found is None:
        pytest.fail(f"{name} is not installed here; `make test-system` installs it.")
    return Path(found)
