"""`tocsin operator new-key`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import build_app
from services.cli.signing import NoSigningKeyError, find_signing_key
from services.runtime.ed25519 import SigningKey


def test_a_new_key_is_a_file_for_its_owner_and_a_line_for_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "ana.pem"

    made = CliRunner().invoke(build_app(), ["operator", "new-key", str(path)])

    assert made.exit_code == 0
    assert made.stdout == SigningKey.load(path).public + "\n"


def test_a_key_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "ana.pem"
    before = SigningKey.generate_file(path).public

    made = CliRunner().invoke(build_app(), ["operator", "new-key", str(path)])

    assert (made.exit_code, made.stdout) == (2, "")
    assert "is there already" in made.stderr
    assert SigningKey.load(path).public == before


def test_a_key_that_cannot_be_written_is_not_said_to_be_made(tmp_path: Path) -> None:
    made = CliRunner().invoke(build_app(), ["operator", "new-key", str(tmp_path / "no" / "ana.pem")])

    assert (made.exit_code, made.stdout) == (2, "")


def test_who_has_no_key_is_told_to_make_one_and_to_name_it_in_the_directory() -> None:
    with pytest.raises(NoSigningKeyError, match=r"--key .*`tocsin operator new-key`.*`operators`"):
        find_signing_key(None, None, None)
