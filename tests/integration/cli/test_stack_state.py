"""How a command finds the stack that it is to talk to."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.cli.stack_state import NoStackError, find_stack
from services.devstack.datadir import DataDirectory, open_data_directory
from services.devstack.keys import ensure_keys
from services.devstack.state import Board, StackState, find_pointer_folder, list_pointers, write_pointer
from services.runtime.settings import Durability


@pytest.fixture
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("TOCSIN_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


@pytest.fixture
def running(runtime_folder: Path) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def state(directory: DataDirectory) -> StackState:
    return StackState(
        durability=Durability.MEMORY,
        intake="http://127.0.0.1:1",
        notify="http://127.0.0.1:2",
        routing="http://127.0.0.1:3",
        kafka="127.0.0.1:4",
        postgres="postgresql://tocsin_admin:secret@127.0.0.1:5/tocsin",
        smtp="127.0.0.1:6",
        data_dir=directory.root,
        pids={},
    )


def run(running: ExitStack, path: Path, *, pid: int | None = None) -> DataDirectory:
    """As much of a stack as finding one needs."""
    directory = running.enter_context(open_data_directory(path))
    ensure_keys(directory)
    Board(directory, shown=()).announce(state(directory))
    write_pointer(directory, pid=pid or os.getpid())
    return directory


def test_the_only_stack_is_found_from_anywhere(running: ExitStack, tmp_path: Path) -> None:
    directory = run(running, tmp_path / "a")
    found = find_stack()
    assert found.data_dir == directory.root
    assert found.state.kafka == "127.0.0.1:4"
    assert found.keys.operator.startswith("tco_")


def test_without_a_stack_it_is_said_how_to_start_one(runtime_folder: Path) -> None:
    with pytest.raises(NoStackError, match="tocsin up --embedded"):
        find_stack()


def test_among_several_one_must_be_named(running: ExitStack, tmp_path: Path) -> None:
    first, second = run(running, tmp_path / "a"), tmp_path / "b"
    running.enter_context(open_data_directory(second)).lock_file.write_text("424242\n")
    write_pointer(DataDirectory(second), pid=424242)
    with pytest.raises(NoStackError) as refused:
        find_stack()
    assert f"--data-dir {first.root}" in str(refused.value)
    assert f"--data-dir {second}" in str(refused.value)
    assert find_stack(tmp_path / "a").data_dir == first.root


def test_among_several_that_of_this_folder_is_meant(running: ExitStack, tmp_path: Path) -> None:
    here, other = run(running, tmp_path / ".tocsin"), tmp_path / "b"
    running.enter_context(open_data_directory(other)).lock_file.write_text("424242\n")
    write_pointer(DataDirectory(other), pid=424242)
    assert find_stack().data_dir == here.root


def test_the_environment_may_name_it(
    running: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = run(running, tmp_path / "a")
    monkeypatch.setenv("TOCSIN_DATA_DIR", str(tmp_path / "a"))
    assert find_stack().data_dir == directory.root


def test_what_a_dead_stack_left_behind_is_ignored_and_removed(runtime_folder: Path, tmp_path: Path) -> None:
    with ExitStack() as running:
        directory = run(running, tmp_path / "a")
    assert directory.stack_file.exists()
    assert list_pointers() == []
    assert list(find_pointer_folder().iterdir()) == []
    with pytest.raises(NoStackError, match="No stack is ready in"):
        find_stack(tmp_path / "a")


def test_a_pointer_that_does_not_read_is_removed(runtime_folder: Path) -> None:
    find_pointer_folder().mkdir(parents=True)
    (find_pointer_folder() / "1.json").write_text("{")
    assert list_pointers() == []
    assert list(find_pointer_folder().iterdir()) == []
