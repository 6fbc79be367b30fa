"""Lets a program get ready before it may begin: it imports while the database is still being made.

`python -m services.devstack.gate MODULE …` imports the `app` of MODULE at once, and becomes
`python -m MODULE …` when its standard input ends.
"""

import importlib.util
import os
import runpy
import sys

from services.runtime.startup import import_for_good


class Gate:
    """The supervisor's side. Closed at first; opened once, for everybody behind it."""

    def __init__(self) -> None:
        self._wait_end, self._hold_end = os.pipe()
        self.is_open = False

    @property
    def wait_end(self) -> int:
        """A file descriptor that reads nothing, and ends when the gate opens."""
        return self._wait_end

    def open(self) -> None:
        if not self.is_open:
            self.is_open = True
            os.close(self._hold_end)
            os.close(self._wait_end)


def main() -> None:
    module = sys.argv[1]
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        import_for_good(f"{module}.app")
    sys.stdin.buffer.read()
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
