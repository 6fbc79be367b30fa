"""A stack's life with stand-ins for the services, so that what fails is the stack."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.devstack.build import build_stack, find_programs
from services.devstack.datadir import DataDirectory, open_data_directory
from services.devstack.errors import DirectoryRefusedError
from services.devstack.keys import Keys, read_keys
from services.devstack.logbook import CATALOGUE
from services.devstack.options import StackOptions
from services.devstack.ports import wait_for_listener
from services.devstack.state import StackState, find_state
from services.runtime.logs import capture_logs
from tests.support.command import tocsin
from tests.support.processes import wait_until_gone
from tests.support.waiting import SECONDS

LogLines = list[dict[str, Any]]


@pytest.fixture
def log() -> Iterator[LogLines]:
    with capture_logs(CATALOGUE) as lines:
        yield lines


@asynccontextmanager
async def started(
    folder: Path, *, directory_file: Path | None = None, words: tuple[str, ...] = ()
) -> AsyncIterator[tuple[StackState, DataDirectory]]:
    chosen = StackOptions(data_dir=folder / "data", directory_file=directory_file)
    stand_in = ("tests.support.stand_in_service", str(folder / "versions"), *words)
    modules = dict.fromkeys(("intake", "routing", "notify"), stand_in)
    with open_data_directory(chosen.data_dir) as directory:
        stack = build_stack(directory, chosen, find_programs(chosen), modules=modules)
        try:
            yield await stack.start(), directory
        finally:
            await stack.stop(hurry=asyncio.Event())


async def test_the_ready_line_tells_everything_and_the_files_repeat_it(tmp_path: Path, log: LogLines) -> None:
    async with started(tmp_path) as (state, directory):
        assert set(state.pids) == {"intake", "routing", "notify", "kafka", "postgres"}
        assert json.loads(directory.pids_file.read_text()) == state.pids
        assert find_state(directory) == state
        assert state.durability == "memory"
        assert not any(url.endswith("/") for url in (state.intake, state.notify, state.routing))
        connection = await asyncpg.connect(state.postgres)
        await connection.close()
    assert not directory.pids_file.exists()
    assert find_state(directory) is None
    for pid in state.pids.values():
        wait_until_gone(pid)


async def test_services_end_before_the_broker_and_the_database_last(tmp_path: Path, log: LogLines) -> None:
    async with started(tmp_path, words=("mails-to-the-last",)):
        pass
    stopped = {line["process"]: line["exit_code"] for line in log if line["event"] == "process.stopped"}
    assert list(stopped)[-3:] == ["mail", "kafka", "postgres"]
    assert set(list(stopped)[:-3]) == {"intake", "routing", "notify"}
    # Its mail server was there until it had ended.
    assert stopped["notify"] == 0


async def test_a_later_start_keeps_the_directory_its_keys_and_every_address(
    tmp_path: Path, log: LogLines
) -> None:
    async with started(tmp_path) as (first, directory):
        keys = read_keys(directory.keys_file)
        assert len(keys.sources) == 24
        assert len(keys.agencies) == 23
    async with started(tmp_path) as (second, directory):
        assert read_keys(directory.keys_file) == keys
    assert second.model_copy(update={"pids": {}}) == first.model_copy(update={"pids": {}})
    told = [line["event"] for line in log if line["event"].startswith("directory.")]
    assert told == ["directory.applied", "directory.kept"]


async def test_a_given_directory_is_applied_at_every_start(tmp_path: Path, log: LogLines) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text(
        "agencies: [{id: ag-one, name: One, roles: [LEA_LEAD], counties: '*', keys: [tca_0123456789abcdef]}]"
    )
    kept = []
    for _ in range(2):
        async with started(tmp_path, directory_file=file) as (_, directory):
            kept.append(read_keys(directory.keys_file))
    assert kept[0].agencies == {"ag-one": "tca_0123456789abcdef"}
    assert list(kept[0].operators) == ["op-local"]
    assert kept[1] == kept[0]
    assert [line["version"] for line in log if line["event"] == "directory.applied"] == [1, 2]


async def test_keys_made_for_a_directory_are_kept_if_it_is_applied_and_not_if_it_is_refused(
    tmp_path: Path, log: LogLines
) -> None:
    sample, refused = tmp_path / "sample.yaml", tmp_path / "refused.yaml"
    sample.write_text("extends: sample")
    refused.write_text("agencies: [{id: ag-refused, name: No, roles: [LEA_LEAD], counties: '*'}]")
    async with started(tmp_path) as (_, directory):
        keys = read_keys(directory.keys_file)
        done = await tocsin("directory", "apply", refused, "--data-dir", directory.root)
        assert (done.exit_code, read_keys(directory.keys_file)) == (1, keys)
        assert "not this one" in done.errors
        directory.keys_file.write_text(Keys(operator=keys.operator).model_dump_json())
        done = await tocsin("directory", "apply", sample, "--data-dir", directory.root)
        assert (done.exit_code, done.errors) == (0, "")
        assert set(read_keys(directory.keys_file).operators) == {"op-ana", "op-ben"}


async def test_a_directory_that_routing_refuses_fails_the_start(tmp_path: Path, log: LogLines) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text("agencies: [{id: ag-refused, name: No, roles: [LEA_LEAD], counties: '*'}]")
    with pytest.raises(DirectoryRefusedError, match="/agencies/0/id: not this one"):
        async with started(tmp_path, directory_file=file):
            raise AssertionError("started")
    assert [line["event"] for line in log][-1] == "stack.stopped"


def port_of(state: StackState, name: str) -> int:
    address = state.postgres.rpartition("/")[0] if name == "postgres" else getattr(state, name)
    return int(str(address).rpartition(":")[2])


async def wait_for_new_pid(directory: DataDirectory, name: str, old: int) -> dict[str, int]:
    async with asyncio.timeout(SECONDS):
        while True:
            pids: dict[str, int] = json.loads(directory.pids_file.read_text())
            if pids[name] != old:
                return pids
            await asyncio.sleep(0.01)


async def test_whoever_dies_comes_back_on_the_same_port(tmp_path: Path, log: LogLines) -> None:
    async with started(tmp_path) as (state, directory):
        pids = state.pids
        for name in state.pids:
            os.kill(pids[name], signal.SIGKILL)
            current = await wait_for_new_pid(directory, name, pids[name])
            await wait_for_listener(port_of(state, name))
            assert {each for each in pids if current[each] != pids[each]} == {name}
            pids = current
        assert find_state(directory) == state.model_copy(update={"pids": pids})
    died = [(line["process"], line["exit_code"]) for line in log if line["event"] == "process.died"]
    assert died == [(name, -9) for name in state.pids]
