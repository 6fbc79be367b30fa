"""A protocol is published and approved while everything runs, and both routing processes decide by it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from schemas.operator import digest_content
from tests.support.command import Done, tocsin
from tests.support.packs import swap, write_pack
from tests.support.second_service import SecondService, second_service
from tests.support.story import build_event
from tests.support.task_force import TaskForce
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

LABEL = "a-test@1.0.0"
COUNTY = "06107"
"""Where no other test's events are from."""
BATCH = 20

Packs = Mapping[str, str]
"""`name@version` → SHA-256."""


async def decide(task_force: TaskForce) -> dict[str, Packs]:
    """Reports some events; by event id, the packs that decided them."""
    data = {"county": COUNTY, "age": {"band": "13to15"}}
    events = [build_event("tip.received", data, name="published") for _ in range(BATCH)]
    await task_force.accept(*events)
    ids = [event["id"] for event in events]

    async def find() -> dict[str, Packs] | None:
        async with task_force.database() as database:
            rows = await database.fetch(
                "SELECT event_id, packs, pack_hashes FROM routing.decision WHERE event_id = ANY($1)", ids
            )
        packs: dict[str, Packs] = {
            row["event_id"]: dict(zip(row["packs"].split(), row["pack_hashes"].split(), strict=True))
            for row in rows
        }
        return packs if len(packs) == len(ids) else None

    return await eventually(find, what="all are decided")


async def decide_by_both(task_force: TaskForce, second: SecondService) -> dict[str, Packs]:
    """The partitions are shared, or contested: it takes some events until each process had one."""
    decided: dict[str, Packs] = {}

    async def had_both() -> bool:
        decided.update(await decide(task_force))
        of_second = decided.keys() & {line["event_id"] for line in second.logged("event.decided")}
        return 0 < len(of_second) < len(decided)

    await eventually(had_both, what="each process decided something")
    return decided


async def protocol(task_force: TaskForce, *words: object) -> Done:
    return await tocsin("protocol", *words, "--data-dir", task_force.stack.data_dir)


async def test_a_protocol_comes_into_force_on_two_routing_processes_without_a_restart(
    harsh_task_force: TaskForce, tmp_path: Path
) -> None:
    pack = write_pack(tmp_path, swap("06029", COUNTY))
    async with second_service(harsh_task_force, "routing", member="routing-1") as second:
        published = await protocol(harsh_task_force, "publish", pack, "--operator", "op-ana")
        before = await decide(harsh_task_force)
        own = await protocol(harsh_task_force, "approve", LABEL, "--operator", "op-ana")
        approved = await protocol(harsh_task_force, "approve", LABEL, "--operator", "op-ben")
        after = await decide_by_both(harsh_task_force, second)

    assert (published.exit_code, own.exit_code, approved.exit_code) == (0, 1, 0)
    assert "another operator must" in published.output
    assert "another operator must" in own.errors
    assert "nothing acts backwards" in approved.output
    assert not any(LABEL in packs for packs in before.values())
    # Not one event after the approval was decided without it.
    assert {packs.get(LABEL) for packs in after.values()} == {digest_content(pack.read_bytes())}


async def test_the_list_names_state_hash_author_and_approver_and_show_what_was_sent(
    task_force: TaskForce, tmp_path: Path
) -> None:
    label = "another-test@1.0.0"
    pack = write_pack(tmp_path, swap("a-test", "another-test", swap("06029", "06111")))
    await protocol(task_force, "publish", pack, "--operator", "op-ana")
    other = await protocol(task_force, "approve", label, "--operator", "op-ben", "--sha256", "0" * 64)
    listed = (await protocol(task_force, "list", "--json")).json()
    shown = await protocol(task_force, "show", label)

    assert (other.exit_code, shown.output) == (1, pack.read_text())
    [entry] = [entry for entry in listed if entry["pack"] == label]
    assert (entry["state"], entry["sha256"]) == ("published", digest_content(pack.read_bytes()))
    assert (entry["author"], entry["approver"]) == ("op-ana", None)
