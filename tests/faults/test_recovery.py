"""One thing goes wrong at a time: how long until new alerts flow again."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from signal import SIGKILL

import pytest

from tests.faults.hands import CLEAN_END
from tests.faults.plan import SERVERS, SERVICES
from tests.faults.scene import Scene, open_scene
from tests.support.story import CaseEvent, adult_found_by_police
from tests.support.waiting import eventually

LIMIT_SECONDS = 15.0
PAUSE_SECONDS = 0.25
"""Between two reports."""
AFTER = 8
"""So many reports are heard of before a fault counts as over."""


@dataclass
class Report:
    """One event of a member system, and when (of the monotonic clock) it began to send it."""

    event: CaseEvent
    began: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from a fault to the first alert of what was reported after it, and the longest wait of one."""

    what: str
    first: float
    slowest: float

    def __str__(self) -> str:
        return f"{self.what:24} {self.first:6.1f} {self.slowest:8.1f}"


FAULTS = [
    *((f"{name} killed", name, SIGKILL) for name in (*SERVICES, *SERVERS)),
    *((f"{name} restarted", name, CLEAN_END[name]) for name in SERVERS),
]


@pytest.mark.recovery
@pytest.mark.apache_only("it restarts the broker, and only Apache's keeps its log")
@pytest.mark.timeout(600)
async def test_new_alerts_flow_again_soon_after_each_fault(say: Callable[[str], None]) -> None:
    async with open_scene() as scene:
        found = []
        for what, name, number in FAULTS:
            await scene.wait_until_ready()
            await scene.end(name, number=number)
            found.append(await measure(scene, what, began=time.monotonic()))
    say("\n".join([f"\n{'seconds until':24} {'first':>6} {'slowest':>8}", *map(str, found)]))
    assert [each for each in found if each.first > LIMIT_SECONDS] == []


async def measure(scene: Scene, what: str, *, began: float) -> Recovery:
    """Reports until a few reports are heard of, and waits for every one of them."""
    reports: list[Report] = []
    sending: list[asyncio.Task[None]] = []

    async def is_over() -> bool:
        if time.monotonic() - (reports[-1].began if reports else 0) > PAUSE_SECONDS:
            reports.append(Report(adult_found_by_police(name="recovering"), time.monotonic()))
            sending.append(asyncio.create_task(scene.report(reports[-1].event)))
        return len(_find_heard(scene, reports)) >= AFTER

    async def are_all_heard() -> bool:
        return len(_find_heard(scene, reports)) == len(reports)

    await eventually(is_over, what=f"alerts flow again: {what}", seconds=60)
    await asyncio.gather(*sending)
    await eventually(are_all_heard, what=f"everything is heard: {what}", seconds=60)
    heard = _find_heard(scene, reports)
    first = min(heard.values()) - began
    return Recovery(what, first, max(heard[report.event["id"]] - report.began for report in reports))


def _find_heard(scene: Scene, reports: Sequence[Report]) -> Mapping[str, float]:
    """Event id → when it was first heard of."""
    wanted = {report.event["id"] for report in reports}
    found: dict[str, float] = {}
    for heard in scene.endpoints.heard:
        if heard.is_whole and heard.data["event_id"] in wanted:
            found.setdefault(heard.data["event_id"], heard.at)
    return found
