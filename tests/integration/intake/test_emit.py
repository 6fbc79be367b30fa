"""`tocsin emit` against a real intake."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from services.devstack.datadir import DataDirectory, open_data_directory
from services.devstack.keys import Keys, write_keys
from services.devstack.state import Board, StackState
from services.runtime.settings import Durability
from tests.integration.intake.directories import ADVOCATES, POLICE, key_of
from tests.integration.intake.events import build_event
from tests.integration.intake.stack import RunningIntake, Servers, open_intake


@dataclass(frozen=True)
class Ended:
    exit_code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return orjson.loads(self.output)


async def emit(
    *arguments: str | Path, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> Ended:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli.main", "emit", *map(str, arguments),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**clean, **(environment or {})},
    )  # fmt: skip
    output, errors = await process.communicate(stdin)
    assert process.returncode is not None
    return Ended(process.returncode, output.decode(), errors.decode())


def write_stack(directory: DataDirectory, url: str) -> None:
    state = StackState(
        durability=Durability.MEMORY,
        intake=url,
        notify=url,
        routing=url,
        kafka="127.0.0.1:9",
        postgres="postgresql://nobody@127.0.0.1:9/none",
        smtp="127.0.0.1:9",
        data_dir=directory.root,
        pids={},
    )
    Board(directory, shown=()).announce(state)
    sources = {source: key_of(source) for source in (POLICE, ADVOCATES)}
    write_keys(directory.keys_file, Keys(operator="tco_0123456789abcdef", sources=sources))


async def test_events_go_to_the_running_stack_with_the_keys_of_their_sources(
    intake: RunningIntake, servers: Servers, tmp_path: Path
) -> None:
    bed = build_event("e2", source=ADVOCATES, type="org.tocsin.shelter.bed_needed.v1")
    lines = b"\n".join(orjson.dumps(event) for event in [build_event("e1"), bed, build_event("e3")])
    with open_data_directory(tmp_path / "stack") as directory:
        write_stack(directory, intake.member.url)
        ended = await emit("-", "--data-dir", directory.root, stdin=lines)
    assert (ended.exit_code, ended.errors) == (0, "")
    assert ended.output.splitlines()[-1] == "3 of 3 accepted (durability: memory)"
    assert {event.id for event, _ in await servers.open_case_events()} == {"e1", "e2", "e3"}


async def test_a_refused_event_is_told_with_its_paths_and_the_others_are_sent(
    intake: RunningIntake, tmp_path: Path
) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(orjson.dumps([build_event("e1"), build_event("e2", data={"county": "Planted"})]))
    given = ("--intake", intake.member.url, file)
    environment = {"TOCSIN_KEY": key_of(POLICE)}
    ended, in_json = await asyncio.gather(
        emit(*given, environment=environment), emit(*given, "--json", environment=environment)
    )
    assert ended.exit_code == 1
    assert "data.county: " in ended.output
    assert "Planted" not in ended.output
    told = in_json.json
    assert [event["status"] for event in told["events"]] == [202, 422]
    assert told["events"][1]["problem"]["errors"][0]["path"] == "/data/county"


async def test_a_sample_is_replayed_as_a_new_event_of_now(
    intake: RunningIntake, servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "sample.json"
    file.write_bytes(orjson.dumps(build_event("sample")))
    given = ("--intake", intake.member.url, "--key", key_of(POLICE), "--json", file)
    as_it_is, as_new = await asyncio.gather(emit(*given), emit("--new-id", "--now", *given))
    fresh = as_new.json["events"][0]["id"]
    assert as_it_is.json["events"][0]["id"] == "sample"
    assert fresh != "sample"
    times = {event.id: event.time for event, _ in await servers.open_case_events()}
    assert times["sample"].year == 2026
    assert times[fresh] > times["sample"]


async def test_what_is_beyond_the_rate_is_sent_again_with_the_same_id(
    servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(orjson.dumps([build_event(f"e{index}") for index in range(5)]))
    async with open_intake(servers.settings(rate=3)) as limited:
        await limited.wait_ready()
        ended = await emit("--intake", limited.member.url, "--key", key_of(POLICE), "--json", file)
    assert (ended.exit_code, ended.json["accepted"]) == (0, 5)
    stored = sorted(event.id for event, _ in await servers.open_case_events())
    assert stored == ["e0", "e1", "e2", "e3", "e4"]


async def test_a_wrong_key_is_told_as_such(intake: RunningIntake, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(orjson.dumps(build_event("e1")))
    ended = await emit("--intake", intake.member.url, "--key", "tcs_wrong_0123456789abcdef", file)
    assert ended.exit_code == 1
    assert "401 Unknown key" in ended.output


async def test_what_cannot_be_carried_out_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(orjson.dumps(build_event("e1", source="urn:tocsin:agency:ag-unknown:cad")))
    with open_data_directory(tmp_path / "stack") as directory:
        write_stack(directory, "http://127.0.0.1:9")
        file_of_police = tmp_path / "police.json"
        file_of_police.write_bytes(orjson.dumps(build_event("e1")))
        missing, no_stack, no_key, anothers, own = await asyncio.gather(
            emit(tmp_path / "missing.json", "--key", "k", "--intake", "http://127.0.0.1:9"),
            emit(file, "--data-dir", tmp_path / "none"),
            emit(file, "--data-dir", directory.root),
            emit(file_of_police, "--intake", "http://127.0.0.1:10", "--data-dir", directory.root),
            emit(file_of_police, "--intake", "http://127.0.0.1:9/", "--data-dir", directory.root),
        )
    assert [each.exit_code for each in (missing, no_stack, no_key, anothers, own)] == [2] * 5
    # No key of this stack goes to another system; to its own intake it does, which is not there.
    assert "TOCSIN_KEY" in anothers.errors
    assert "Intake does not answer" in own.output
    assert "missing.json" in missing.errors
    assert "tocsin up --embedded" in no_stack.errors
    assert POLICE in no_key.errors
    assert "tcs_" not in no_key.errors
