"""Carries a plan of faults out, and puts everything right again."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import assert_never

from tests.faults.plan import Fault, Kill, Planned, Restart, Shift, Spoil, SpoilMail, Way
from tests.faults.scene import Scene
from tests.faults.witnesses import PUT_OFF

CLEAN_END = {"kafka": signal.SIGTERM, "postgres": signal.SIGINT}
"""What each ends at in order: PostgreSQL by a fast shutdown, which waits for no session."""

LONGEST_LULL = 1.0
"""Without any accepted event: what is down is hit as well."""


@dataclass
class Hands:
    """Counts what was really done."""

    scene: Scene
    kills: int = 0
    restarts: int = 0
    _spoiling: list["asyncio.Task[None]"] = field(default_factory=list)

    async def carry_out(self, plan: Sequence[Planned]) -> None:
        for planned in plan:
            await asyncio.sleep(planned.pause)
            await self.scene.next_accepted(seconds=LONGEST_LULL)
            await asyncio.sleep(planned.lag)
            await self._do(planned.fault)

    async def put_right(self) -> None:
        for task in self._spoiling:
            task.cancel()
        await asyncio.gather(*self._spoiling, return_exceptions=True)
        await self.scene.wait_until_ready()

    async def _do(self, fault: Fault) -> None:
        match fault:
            case Kill(names, is_unsent):
                async with self.scene.unsent() if is_unsent else nullcontext():
                    await asyncio.gather(*(self.scene.kill(name) for name in names))
                self.kills += len(names)
            case Restart(name, way):
                number = signal.SIGKILL if way is Way.KILLED else CLEAN_END[name]
                await self.scene.kill(name, number=number)
                self.restarts += 1
            case Shift(seconds):
                await self.scene.shift(seconds)
            case Spoil() | SpoilMail():
                self._spoiling.append(asyncio.create_task(self._spoil(fault)))
            case _:
                assert_never(fault)

    async def _spoil(self, fault: Spoil | SpoilMail) -> None:
        mailbox = self.scene.mailbox
        endpoints = self.scene.endpoints.of(fault.agency) if isinstance(fault, Spoil) else ()
        try:
            for endpoint in endpoints:
                endpoint.spoil(fault.mood)  # type: ignore[union-attr] # only of a Spoil there are any
            if isinstance(fault, SpoilMail):
                mailbox.rcpt_answer = PUT_OFF
            await asyncio.sleep(fault.seconds)
        finally:
            for endpoint in endpoints:
                endpoint.mend()
            if isinstance(fault, SpoilMail):
                mailbox.rcpt_answer = None
