"""The dead-man's switch: what a monitor outside sees while the chain moves, and when a part of it hangs."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.task_force import TaskForce
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pulse(task_force: TaskForce, status: int, *, what: Callable[[Any], bool]) -> Any:  # noqa: ANN401 -- JSON
    """The report, once it is this one."""

    async def find() -> object:
        answer = await task_force.get(f"{task_force.url('notify')}/v1/pulse")
        return answer.json() if answer.status == status and what(answer.json()) else None

    return await eventually(find, what=f"the pulse is {status}")


def behind(report: Any) -> list[str]:  # noqa: ANN401 -- JSON
    """The hops that hold the proof back."""
    return [hop for hop, at in report["hops"].items() if at == report["proved_at"]]


@pytest.mark.parametrize(("frozen", "hop"), [("routing", "told"), ("intake", "answered")])
async def test_the_pulse_beats_while_all_move_and_stops_when_one_hangs(
    harsh_task_force: TaskForce, frozen: str, hop: str
) -> None:
    async def find_line() -> object:
        # When it was lost, others may have been behind for a moment, too.
        return any(hop in line["hops"] for line in harsh_task_force.logged("pulse.lost")) or None

    alive = await pulse(harsh_task_force, 200, what=lambda report: len(report["hops"]) == 4)
    harsh_task_force.freeze(frozen)
    try:
        # Whoever moves is known to move: the report says who does not.
        lost = await pulse(harsh_task_force, 503, what=lambda report: behind(report) == [hop])
        await eventually(find_line, what="the log says so")
    finally:
        harsh_task_force.thaw(frozen)
    assert lost["proved_at"] >= alive["proved_at"]
    await pulse(harsh_task_force, 200, what=lambda report: report["proved_at"] > max(lost["hops"].values()))
