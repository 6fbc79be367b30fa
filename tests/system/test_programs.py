"""What `requirements/debian` promises is there, and runs."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import find_program

ROOT = Path(__file__).parents[2]


def listed_programs() -> list[str]:
    listed = re.search(r'^needed="(.+)"$', (ROOT / "requirements" / "debian").read_text(), flags=re.MULTILINE)
    assert listed is not None
    return [pair.partition("=")[0] for pair in listed[1].split()]


@pytest.mark.parametrize("program", listed_programs())
def test_a_program_that_is_installed_is_found(program: str) -> None:
    assert find_program(program).is_file()


@pytest.mark.parametrize("program", ["chromium", "chromedriver"])
def test_the_browser_and_what_drives_it_are_of_one_version(program: str) -> None:
    wanted = subprocess.run(
        [find_program("chromium"), "--version"], capture_output=True, text=True, check=True
    )
    told = subprocess.run([find_program(program), "--version"], capture_output=True, text=True, check=True)
    assert re.findall(r"\d+\.\d+\.\d+\.\d+", told.stdout)[:1] == re.findall(r"[\d.]{7,}", wanted.stdout)[:1]
