"""What is generated from the code is what the code would generate now."""

from pathlib import Path

from services.cli.artefacts.generate import build_artefacts, find_drift, find_leftovers
from tests.support.examples import ROOT


def write_all(folder: Path) -> None:
    for artefact in build_artefacts():
        path = folder / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artefact.text)


def test_every_generated_file_is_what_the_code_generates() -> None:
    assert find_drift(ROOT) == [], "run `tocsin schemas write`"


def test_generating_twice_gives_the_same_bytes() -> None:
    assert list(build_artefacts()) == list(build_artefacts())


def test_every_generated_file_ends_in_one_newline() -> None:
    texts = {artefact.path: artefact.text for artefact in build_artefacts()}
    assert [path for path, text in texts.items() if not text.endswith("\n") or text.endswith("\n\n")] == []


def test_an_edited_a_missing_and_a_forgotten_file_are_drift(tmp_path: Path) -> None:
    write_all(tmp_path)
    assert find_drift(tmp_path) == []
    edited, missing = tmp_path / "schemas/json/receipt.json", tmp_path / "schemas/json/problem.json"
    forgotten = tmp_path / "schemas/json/rumour.json"
    edited.write_text(edited.read_text() + "\n")
    missing.unlink()
    forgotten.write_text("{}\n")
    assert set(find_drift(tmp_path)) == {
        "schemas/json/receipt.json",
        "schemas/json/problem.json",
        "schemas/json/rumour.json",
    }
    assert find_leftovers(tmp_path) == ["schemas/json/rumour.json"]
