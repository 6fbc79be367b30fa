"""`tocsin up --embedded` with the real services, from outside."""

import contextlib
import http.client
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest

from services.devstack.restarts import ASKS_FOR_RESTART
from tests.support.kafka_choice import DURABILITY, ON_APACHE
from tests.support.processes import wait_until_gone
from tests.support.stack import COMMAND, ROOT, RunningStack, running_stack, start_up
from tests.support.waiting import SECONDS

SERVICES = ("intake", "routing", "notify")
BROKER_ENDED = 128 + signal.SIGTERM if ON_APACHE else -signal.SIGKILL
"""Java says so of an orderly end that a signal asked for. The embedded broker, all memory, is not asked."""


def get(url: str) -> tuple[int, dict[str, object]]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        return response.status, orjson.loads(response.read())
    finally:
        connection.close()


def is_ready(url: str) -> bool:
    try:
        status, _ = get(f"{url}/readyz")
    except OSError:
        return False
    return status == 200


def wait_until_all_ready(stack: RunningStack) -> None:
    deadline = time.monotonic() + SECONDS
    while not all(is_ready(stack.ready[name]) for name in SERVICES):
        assert time.monotonic() < deadline, "a service did not become ready again"
        # Asked without a pause, who answers would have no time to become ready.
        time.sleep(0.03)


@pytest.fixture(scope="module")
def find_stack() -> Iterator[Callable[[], RunningStack]]:
    """The stack that the tests before left running; another one if they ended it."""
    stacks: list[RunningStack] = []
    with contextlib.ExitStack() as running:

        def find() -> RunningStack:
            if not stacks or stacks[-1].process.poll() is not None:
                stacks.append(running.enter_context(running_stack()))
                stacks[-1].wait_until_ready()
            return stacks[-1]

        yield find


@pytest.fixture
def stack(find_stack: Callable[[], RunningStack]) -> RunningStack:
    """Ready, whatever was done to it before. How soon it is ready, `make bench` judges."""
    found = find_stack()
    wait_until_all_ready(found)
    return found


def test_the_ready_line_says_where_everything_is(stack: RunningStack) -> None:
    ready = stack.ready
    assert (ready["ready"], ready["durability"]) == (True, DURABILITY)
    assert set(ready["pids"]) == {*SERVICES, "kafka", "postgres"}
    for name in SERVICES:
        status, said = get(f"{ready[name]}/readyz")
        assert (status, said["ready"], said["directory_version"]) == (200, True, 1)
        assert get(f"{ready[name]}/livez")[0] == 200


async def test_its_postgres_url_opens_the_database_of_the_services(stack: RunningStack) -> None:
    connection = await asyncpg.connect(stack.ready["postgres"])
    schemas = await connection.fetch("select nspname from pg_namespace")
    await connection.close()
    assert {"keyring", "intake", "routing", "notify"} <= {row["nspname"] for row in schemas}


@pytest.mark.parametrize("name", ["postgres.log", "secrets/postgres.json", "keys.json", "stack.json"])
def test_what_lies_in_the_data_directory_is_for_its_owner_alone(stack: RunningStack, name: str) -> None:
    assert stat.S_IMODE((stack.data_dir / name).stat().st_mode) == 0o600


def test_a_second_stack_on_the_same_directory_is_told_who_has_it(stack: RunningStack) -> None:
    second = start_up(["--data-dir", str(stack.data_dir)])
    output, errors = second.communicate()
    assert (second.returncode, output) == (2, "")
    assert f"process id {stack.process.pid}" in errors
    assert all(is_ready(stack.ready[name]) for name in SERVICES)


@pytest.mark.parametrize("name", [*SERVICES, "postgres"])
def test_who_is_killed_comes_back_and_the_stack_is_ready_again(stack: RunningStack, name: str) -> None:
    killed = stack.kill(name)
    stack.wait_for_log("process.died", process=name, exit_code=-signal.SIGKILL)
    started = stack.wait_for_log("process.started", process=name)
    assert started["pid"] == stack.pids[name] != killed
    wait_until_all_ready(stack)


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
def test_a_killed_broker_comes_back_as_another_cluster_and_the_services_start_afresh(
    stack: RunningStack,
) -> None:
    before = stack.pids
    stack.kill("kafka")
    afresh = {
        stack.wait_for_log("process.asked_for_restart", exit_code=ASKS_FOR_RESTART)["process"]
        for _ in SERVICES
    }
    assert afresh == set(SERVICES)
    wait_until_all_ready(stack)
    assert all(stack.pids[name] != before[name] for name in (*SERVICES, "kafka"))
    assert stack.pids["postgres"] == before["postgres"]


def test_a_killed_supervisor_takes_its_processes_along_and_the_next_start_recovers(
    stack: RunningStack,
) -> None:
    pids, keys = stack.pids, stack.keys
    assert set(pids) == set(stack.ready["pids"])
    stack.process.send_signal(signal.SIGKILL)
    stack.process.wait()
    for pid in pids.values():
        wait_until_gone(pid)
    with running_stack(data_dir=stack.data_dir) as again:
        ready = again.wait_until_ready()
        assert {name: ready[name] for name in SERVICES} == {name: stack.ready[name] for name in SERVICES}
        assert again.keys == keys
        again.wait_for_log("stack.ready")
        assert again.stop() == 0


def test_a_clean_stop_says_nothing_more_and_leaves_nothing_behind() -> None:
    with running_stack() as stack:
        pids = stack.wait_until_ready()["pids"]
        assert stack.pids == pids
        assert stack.stop(signal.SIGINT) == 0
        for pid in pids.values():
            wait_until_gone(pid)
        assert not (stack.data_dir / "stack.json").exists()
        assert stack.output.read_all() == [orjson.dumps(stack.ready).decode()]
        stopped = [orjson.loads(line) for line in stack.log.read_all() if "process.stopped" in line]
        assert {line["process"]: line["exit_code"] for line in stopped} == {
            **dict.fromkeys(SERVICES, 0),
            "mail": 0,
            "kafka": BROKER_ENDED,
            "postgres": 0,
        }
        assert [line["process"] for line in stopped][-3:] == ["mail", "kafka", "postgres"]


def test_a_stop_before_it_is_ready_is_clean_too() -> None:
    with running_stack() as stack:
        stack.wait_for_log("process.started", process="postgres")
        assert stack.stop() == 0
        assert stack.output.read_all() == []


def test_a_directory_that_routing_would_refuse_ends_with_2_and_names_the_place(tmp_path: Path) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text(
        "agencies: [{id: ag-one, name: One, roles: [SHELTER], counties: '*', confidentiality: standard}]"
    )
    done = subprocess.run(
        [*COMMAND, "up", "--embedded", "--data-dir", str(tmp_path / "data"), "--directory", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "/agencies/0/confidentiality" in done.stderr
