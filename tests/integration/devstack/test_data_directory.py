"""The data directory: who holds it, what is in it, and what a crash leaves behind."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from services.devstack.datadir import DataDirectory, find_holder, open_data_directory, write_atomically
from services.devstack.errors import DataDirectoryError, DataDirectoryInUseError, StartError
from services.devstack.keys import ensure_key_files, ensure_keys, ensure_passwords, read_keys
from services.runtime.crypto import Kek, load_key_file
from tests.support.processes import wait_until_gone
from tests.support.servers import build_postgres, build_surroundings
from tests.support.stack import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from services.devstack.datadir import open_data_directory
with open_data_directory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

# A supervisor that lets its server live on when it is gone.
CARELESS = """
import asyncio, os, sys
from pathlib import Path
from dataclasses import replace
from tests.support.servers import build_postgres, build_surroundings

class NoGuard:
    def before_exec(self, on_death): return None
    def watch(self, pid, on_death): pass
    def forget(self, pid): pass

async def main():
    surroundings = replace(build_surroundings(), guard=NoGuard())
    postgres = build_postgres(Path(sys.argv[1]), surroundings=surroundings)
    await postgres.start()
    print(postgres.process.pid, flush=True)
    os._exit(0)

asyncio.run(main())
"""


def start_holder(path: Path) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_directory_in_use_names_the_process_that_holds_it(tmp_path: Path) -> None:
    with start_holder(tmp_path) as holder:
        assert find_holder(DataDirectory(tmp_path)) == holder.pid
        with (
            pytest.raises(DataDirectoryInUseError, match=f"process id {holder.pid}"),
            open_data_directory(tmp_path),
        ):
            raise AssertionError("opened")
        holder.kill()


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    with start_holder(tmp_path) as holder:
        holder.kill()
        wait_until_gone(holder.pid)
        # Before anybody has reaped it, too.
        assert find_holder(DataDirectory(tmp_path)) is None
    with open_data_directory(tmp_path) as directory:
        assert find_holder(directory) == os.getpid()
    assert find_holder(directory) is None


def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataDirectoryError, match="--data-dir"),
        open_data_directory(tmp_path / "file" / "data"),
    ):
        raise AssertionError("opened")


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    with open_data_directory(tmp_path / "data") as directory:
        ensure_key_files(directory)
        first = (ensure_keys(directory), ensure_passwords(directory))
        kek = Kek.load(directory.kek_file).current
        ensure_key_files(directory)
        assert (ensure_keys(directory), ensure_passwords(directory)) == first
        assert Kek.load(directory.kek_file).current == kek
        assert load_key_file(directory.deployment_key_file)
        files = [
            directory.keys_file,
            directory.passwords_file,
            directory.kek_file,
            directory.deployment_key_file,
        ]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE(directory.root.stat().st_mode) == 0o700


def test_files_of_secrets_that_do_not_read_are_refused(tmp_path: Path) -> None:
    with open_data_directory(tmp_path) as directory:
        directory.passwords_file.write_text("{}")
        directory.keys_file.write_text('{"operator": 1}')
        with pytest.raises(DataDirectoryError, match=r"postgres\.json"):
            ensure_passwords(directory)
        with pytest.raises(DataDirectoryError, match=r"keys\.json"):
            read_keys(directory.keys_file)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "pids.json"
    write_atomically(path, "old")
    with path.open() as reader:
        write_atomically(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["pids.json"]


async def test_postgres_recovers_after_a_crash_and_keeps_what_was_committed(tmp_path: Path) -> None:
    postgres = build_postgres(tmp_path, surroundings=build_surroundings())
    await postgres.start()
    connection = await asyncpg.connect(postgres.url("tocsin_admin"))
    await connection.execute("create table kept (x int); insert into kept values (42)")
    crashed = postgres.process.pid
    assert crashed is not None
    os.kill(crashed, signal.SIGKILL)
    connection.terminate()
    await postgres.process.restart()
    connection = await asyncpg.connect(postgres.url("tocsin_admin"))
    kept = await connection.fetchval("select x from kept")
    await connection.close()
    await postgres.stop()
    assert kept == 42
    assert postgres.process.pid != crashed


async def test_a_server_that_an_earlier_stack_left_behind_is_ended_first(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CARELESS, str(tmp_path)]
    earlier = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await earlier.communicate()
    later = build_postgres(tmp_path, surroundings=build_surroundings())
    await later.start()
    wait_until_gone(int(output))
    await later.stop()


async def test_a_pid_file_that_names_somebody_else_is_no_obstacle(tmp_path: Path) -> None:
    postgres = build_postgres(tmp_path, surroundings=build_surroundings())
    await postgres.start()
    await postgres.stop()
    data = tmp_path / "postgres" / "data"
    somebody = await asyncio.create_subprocess_exec("/bin/sleep", "600")
    (data / "postmaster.pid").write_text(f"{somebody.pid}\n{data}\n1\n1\n\n\n")
    await postgres.start()
    await postgres.stop()
    assert somebody.returncode is None
    somebody.kill()
    await somebody.wait()


async def test_a_cluster_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    postgres = build_postgres(tmp_path, surroundings=build_surroundings())
    await postgres.start()
    await postgres.stop()
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(DataDirectoryError, match="PostgreSQL 9"):
        await postgres.start()


async def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    postgres = build_postgres(tmp_path, surroundings=build_surroundings())
    await postgres.start()
    await postgres.stop()
    (tmp_path / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(StartError, match="pg_control"):
        await postgres.start()
    await postgres.stop()
