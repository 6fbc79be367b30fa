"""Tests that run at the same time must not be given each other's ports."""

import subprocess
import sys

from tests.support.ports import free_port
from tests.support.stack import ROOT

COUNT = 20
ASK = f"from tests.support.ports import free_port\nprint(*[free_port() for _ in range({COUNT})])"


def test_processes_that_ask_at_once_are_given_ports_of_their_own() -> None:
    own = {free_port() for _ in range(COUNT)}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True)
    others = set(map(int, done.stdout.split()))
    assert (len(own), len(others), own & others) == (COUNT, COUNT, set())
