"""What is generated from the code is what the code would generate now."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.artefacts.generate import build_artefacts, find_drift
from services.cli.schemas import app
from tests.support.examples import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with every generated file in its place."""
    (tmp_path / "pyproject.toml").touch()
    assert run("write", tmp_path).exit_code == 0
    return tmp_path


def run(command: str, root: Path) -> Result:
    return CliRunner().invoke(app, [command, "--root", str(root)])


def test_every_generated_file_is_what_the_code_generates() -> None:
    assert find_drift(ROOT) == [], "run `tocsin schemas write`"


def test_generating_twice_gives_the_same_bytes() -> None:
    assert list(build_artefacts()) == list(build_artefacts())


def test_every_generated_file_ends_in_one_newline() -> None:
    texts = {artefact.path: artefact.text for artefact in build_artefacts()}
    assert [path for path, text in texts.items() if not text.endswith("\n") or text.endswith("\n\n")] == []


def test_what_was_just_written_has_not_drifted(clone: Path) -> None:
    assert run("check", clone).exit_code == 0


def test_an_edited_a_missing_and_a_forgotten_file_are_drift(clone: Path) -> None:
    edited, missing = clone / "schemas/json/receipt.json", clone / "schemas/json/problem.json"
    forgotten = clone / "schemas/json/rumour.json"
    edited.write_text(edited.read_text() + "\n")
    missing.unlink()
    forgotten.write_text("{}\n")
    result = run("check", clone)
    assert result.exit_code == 1
    assert all(f"{path.relative_to(clone)} is not" in result.stderr for path in (edited, missing, forgotten))


def test_writing_mends_drift_and_removes_what_is_forgotten(clone: Path) -> None:
    (clone / "schemas/json/receipt.json").write_text("{}\n")
    (clone / "schemas/openapi/rumour.json").write_text("{}\n")
    assert run("write", clone).output.split("\n")[:2] == [
        "wrote schemas/json/receipt.json",
        "removed schemas/openapi/rumour.json",
    ]
    assert find_drift(clone) == []


def test_outside_a_clone_nothing_is_written(tmp_path: Path) -> None:
    assert run("write", tmp_path).exit_code == 2
    assert list(tmp_path.iterdir()) == []
