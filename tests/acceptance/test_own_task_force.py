"""A directory file without `extends` and without operators, as a task force writes its first one."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from services.runtime.crypto import new_api_key
from tests.support.command import Done, tocsin
from tests.support.packs import write_pack
from tests.support.stack import RunningStack, running_stack
from tests.support.story import POLICE, found_by_police
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

OWN = """
agencies:
  - {{id: ag-bpd, name: City police, roles: [LEA_LOCAL], counties: ["06029"]}}
  - id: ag-kern-cw
    name: Child welfare
    roles: [CHILD_WELFARE]
    counties: ["06029"]
    agreement_until: 2199-01-01T00:00:00Z
    contacts: [{{rung: primary, email: duty@cw.example}}]
sources: [{{source: "{source}", key: {key}, types: ["*"]}}]
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("own") / "taskforce.yaml"
    file.write_text(OWN.format(source=POLICE, key=new_api_key("tcs")))
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(own: Path) -> AsyncIterator[RunningStack]:
    with running_stack("--directory", str(own)) as stack:
        stack.wait_until_ready()
        yield stack


async def explain_an_event(stack: RunningStack, folder: Path) -> Done:
    """Reports one, and asks why until it is decided."""
    file, event = folder / "event.json", found_by_police(name="own")
    file.write_bytes(orjson.dumps(event))
    assert (await tocsin("emit", file, "--data-dir", stack.data_dir)).exit_code == 0

    async def ask() -> Done | None:
        done = await tocsin("explain", event["id"], "--data-dir", stack.data_dir)
        return None if done.exit_code == 1 else done

    return await eventually(ask, what="the event is decided")


async def test_who_was_told_is_explained_to_the_operator_of_the_stack(
    stack: RunningStack, tmp_path: Path
) -> None:
    assert set(stack.keys["operators"]) == {"op-local"}
    done = await explain_an_event(stack, tmp_path)
    assert (done.exit_code, done.errors) == (0, "")
    assert "ag-kern-cw: told" in done.output


async def test_one_operator_alone_puts_no_protocol_in_force(stack: RunningStack, tmp_path: Path) -> None:
    pack, label = write_pack(tmp_path), "a-test@1.0.0"
    signed = ("--operator", "op-local", "--data-dir", stack.data_dir)
    published = await tocsin("protocol", "publish", pack, *signed)
    approved = await tocsin("protocol", "approve", label, *signed)
    assert (published.exit_code, approved.exit_code) == (0, 1)
    assert "another operator must" in approved.errors


async def test_the_ledger_opens_after_each_change_between_a_file_of_ones_own_and_the_sample(
    stack: RunningStack, own: Path, tmp_path: Path
) -> None:
    sample = tmp_path / "sample.yaml"
    sample.write_text("extends: sample\nagencies: []\n")
    for file, operators in ((sample, {"op-ana", "op-ben"}), (own, {"op-local"})):
        applied = await tocsin("directory", "apply", file, "--data-dir", stack.data_dir)
        assert (applied.exit_code, set(stack.keys["operators"])) == (0, operators), applied.errors
        done = await explain_an_event(stack, tmp_path)
        assert (done.exit_code, done.errors) == (0, "")


async def test_a_deployment_that_is_not_embedded_is_given_no_operator(
    stack: RunningStack, own: Path, tmp_path: Path
) -> None:
    environment = {"TOCSIN_OPERATOR_KEY": stack.keys["operator"]}
    url = stack.ready["routing"]
    applied = await tocsin("directory", "apply", own, "--routing", url, environment=environment)
    assert applied.exit_code == 0, applied.errors
    done = await tocsin("explain", "any", "--data-dir", stack.data_dir)
    assert done.exit_code == 2
    assert "operator of the directory" in done.errors
