"""Bundled programs that are missing or do not run here, and copies for those who cannot read them."""

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.devstack.account import find_account
from services.devstack.errors import UnsupportedPlatformError
from services.devstack.programs import find_broker, find_major_version, find_postgres
from tests.support.stack import COMMAND, ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has somebody else run PostgreSQL")


@contextmanager
def reachable_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def write_program(path: Path, content: bytes, *, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_wheels_of_this_machine_run(tmp_path: Path) -> None:
    account = find_account(effective_uid=os.geteuid())
    assert os.access(find_broker(None), os.X_OK)
    assert find_major_version(find_postgres(None, account=account, cache=tmp_path).postgres) >= 15


def test_a_missing_broker_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedPlatformError) as refused:
        find_broker(tmp_path / "tansu")
    message = str(refused.value)
    assert "no such file" in message
    assert "pip install 'tocsin[embedded]'" in message
    assert "TOCSIN_EMBEDDED_KAFKA" in message
    assert "TOCSIN_KAFKA, TOCSIN_DATABASE_URL" in message


def test_a_broker_that_may_not_be_executed_says_so(tmp_path: Path) -> None:
    program = write_program(tmp_path / "tansu", b"#!/bin/sh\n", mode=0o644)
    with pytest.raises(UnsupportedPlatformError, match="Permission denied"):
        find_broker(program)


def test_a_broker_for_another_processor_says_so(tmp_path: Path) -> None:
    foreign = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xff\xff" + bytes(100)
    with pytest.raises(UnsupportedPlatformError, match="Exec format error"):
        find_broker(write_program(tmp_path / "tansu", foreign))


def test_a_program_that_fails_gives_its_own_reason(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    write_program(folder / "postgres", b"#!/bin/sh\necho libmissing.so not found >&2\nexit 127\n")
    with pytest.raises(UnsupportedPlatformError, match=r"libmissing\.so not found") as refused:
        find_postgres(folder, account=None, cache=tmp_path)
    assert "TOCSIN_EMBEDDED_POSTGRES" in str(refused.value)


@pytest.mark.parametrize("variable", ["TOCSIN_EMBEDDED_KAFKA", "TOCSIN_EMBEDDED_POSTGRES"])
def test_up_ends_with_2_and_the_reason_and_leaves_no_data_directory(variable: str, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    done = subprocess.run(
        [*COMMAND, "up", "--embedded", "--data-dir", str(data_dir)],
        cwd=ROOT,
        env={**os.environ, variable: str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
    assert not data_dir.exists()


@as_root
def test_programs_that_the_account_cannot_read_are_copied_once(tmp_path: Path) -> None:
    account = find_account(effective_uid=0)
    private = tmp_path / "private"
    script = b"#!/bin/sh\necho 'postgres (PostgreSQL) 18.0'\n"
    for name in ("postgres", "initdb"):
        write_program(private / "wheel/pginstall/bin" / name, script)
    private.chmod(stat.S_IRWXU)
    # Where the account gets to, other than below a private folder of the tests.
    with reachable_folder() as cache:
        first = find_postgres(private / "wheel/pginstall/bin", account=account, cache=cache)
        again = find_postgres(private / "wheel/pginstall/bin", account=account, cache=cache)
        assert first == again
        assert first.folder.is_relative_to(cache)
        assert first.initdb.read_bytes() == script
        assert len(list(cache.iterdir())) == 1
