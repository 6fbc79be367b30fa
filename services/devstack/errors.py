"""What can keep a stack from starting; each message says what to do about it."""

from typing import ClassVar


class StackError(Exception):
    """The stack cannot go on; the text is for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class StartError(StackError):
    """A process ended before it was usable."""


class UnsupportedPlatformError(StackError):
    """A bundled program is missing or does not run on this machine."""

    exit_code = 2


class DataDirectoryError(StackError):
    """The data directory cannot be used as it is."""

    exit_code = 2


class DataDirectoryInUseError(DataDirectoryError):
    """Another stack runs on this data directory."""


class NotAvailableError(StackError):
    """Asked for something that this build does not have."""

    exit_code = 2


class DirectoryRefusedError(StackError):
    """Routing did not accept the directory file."""

    exit_code = 2
