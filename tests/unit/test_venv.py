"""Which Python the virtual environment is made with."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

VENV: Final = Path(__file__).parents[2] / "requirements" / "venv"


def make_python(path: Path, *, new_enough: bool = True, venv: bool = True, optimized: bool = True) -> None:
    """Writes a program that answers what a Python is asked here, and keeps what it was told to make."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"""#!/bin/sh
case "$*" in
  *version_info*) exit {int(not new_enough)} ;;
  *ensurepip*) exit {int(not venv)} ;;
  *enable-optimizations*) exit {int(not optimized)} ;;
  *"-m venv"*) echo "$0" > "{path.parents[1]}/made" ;;
  -V) echo "Python of {path.parent.name}" ;;
esac
"""
    )
    path.chmod(0o755)


def choose(folder: Path, named: str = "") -> str:
    """Returns which of the Pythons in ``folder`` made the environment."""
    done = subprocess.run(
        [VENV, named, folder / "venv", folder / "system" / "python3"],
        env={"PATH": f"{folder / 'path'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    chosen = Path((folder / "made").read_text().strip())
    assert f"Python of {chosen.parent.name}" in done.stdout
    return chosen.parent.name


def test_the_first_python_on_the_path_is_taken_when_it_is_optimized(tmp_path: Path) -> None:
    make_python(tmp_path / "path" / "python3")
    make_python(tmp_path / "system" / "python3")
    assert choose(tmp_path) == "path"


@pytest.mark.parametrize("lack", ["optimized", "new_enough", "venv"])
def test_the_system_s_is_taken_when_the_first_one_is_worse(tmp_path: Path, lack: str) -> None:
    make_python(tmp_path / "path" / "python3", **{lack: False})
    make_python(tmp_path / "system" / "python3")
    assert choose(tmp_path) == "system"


@pytest.mark.parametrize("lack", ["new_enough", "venv"])
def test_an_unoptimized_python_is_taken_when_the_system_s_does_not_fit(tmp_path: Path, lack: str) -> None:
    make_python(tmp_path / "path" / "python3", optimized=False)
    make_python(tmp_path / "system" / "python3", **{lack: False})
    assert choose(tmp_path) == "path"


def test_a_python_that_is_named_is_taken_whatever_it_is(tmp_path: Path) -> None:
    make_python(tmp_path / "path" / "mine", optimized=False)
    make_python(tmp_path / "system" / "python3")
    assert choose(tmp_path, named="mine") == "path"


def test_no_python_that_fits_is_told(tmp_path: Path) -> None:
    make_python(tmp_path / "path" / "python3", new_enough=False)
    done = subprocess.run(
        [VENV, "", tmp_path / "venv", tmp_path / "system" / "python3"],
        env={"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "make PYTHON=" in done.stderr
