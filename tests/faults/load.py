"""Cases that member systems report while things go wrong, and agencies that take responsibility."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

from tests.faults.scene import Scene
from tests.faults.stories import Story, tell
from tests.faults.witnesses import Heard
from tests.support.story import CaseEvent

REPORTERS = 4
DESKS = 3
ACKNOWLEDGED = 0.6
"""The part of what agencies hear that a person there takes responsibility for."""
LONGEST_PAUSE = 2.0


@dataclass
class Case:
    """One story as it was reported; `accepted` is when each of its events was, on the monotonic clock."""

    name: str
    story: Story
    accepted: list[float] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return len(self.accepted) == len(self.story.events)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An agency's acknowledgement was recorded: it was answered at this instant of the monotonic clock."""

    agency: str
    event: str
    alert_id: str
    at: float


@dataclass
class Load:
    """Reports stories, one after the other in each reporter; which ones follows from the seed."""

    scene: Scene
    stories: Sequence[Story]
    seed: int
    cases: list[Case] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _to_acknowledge: "asyncio.Queue[Heard]" = field(default_factory=asyncio.Queue)
    _is_ending: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reports during the block; ends with the cases that were begun."""
        self.scene.endpoints.listen = self._listen
        reporters = [asyncio.create_task(self._report_cases()) for _ in range(REPORTERS)]
        desks = [asyncio.create_task(self._work_at_a_desk()) for _ in range(DESKS)]
        try:
            yield
            self._is_ending = True
            await asyncio.gather(*reporters)
            await self._finish_desks(desks)
        finally:
            for task in (*reporters, *desks):
                task.cancel()
            for task in (*reporters, *desks):
                with suppress(asyncio.CancelledError):
                    await task

    async def _finish_desks(self, desks: Sequence["asyncio.Task[None]"]) -> None:
        """Until nothing is left to acknowledge; raises what ended a desk before."""
        done = asyncio.create_task(self._to_acknowledge.join())
        await asyncio.wait({done, *desks}, return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        for desk in desks:
            if desk.done():
                desk.result()

    async def _report_cases(self) -> None:
        while not self._is_ending:
            chance = Random(f"{self.seed} case {len(self.cases)}")
            case = Case(f"f{len(self.cases)}", chance.choice(self.stories))
            self.cases.append(case)
            await self._report(case, chance)

    async def _report(self, case: Case, chance: Random) -> None:
        for event in tell(case.story, name=case.name):
            await self.scene.report(event)
            case.accepted.append(time.monotonic())
            if chance.random() < 1 / 8:
                # A sender that did not hear the answer.
                await self.scene.report(event)
            await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE) if not self._is_ending else 0)

    def _listen(self, heard: Heard) -> None:
        if not heard.is_whole or heard.alert_id in self._seen:
            return
        self._seen.add(heard.alert_id)
        lot = Random(f"{self.seed} {heard.agency} {heard.data['event_id']} {heard.data['escalation']}")
        if lot.random() < ACKNOWLEDGED:
            self._to_acknowledge.put_nowait(heard)

    async def _work_at_a_desk(self) -> None:
        while True:
            heard = await self._to_acknowledge.get()
            try:
                if await self.scene.acknowledge(heard.alert_id, agency=heard.agency):
                    self.acknowledged.append(
                        Acknowledged(heard.agency, heard.data["event_id"], heard.alert_id, time.monotonic())
                    )
            finally:
                self._to_acknowledge.task_done()


def events_of(cases: Sequence[Case]) -> list[CaseEvent]:
    return [event for case in cases for event in tell(case.story, name=case.name)]
