"""Keeping suspensions: what is put off while something is written is not forgotten."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import uuid4

from services.notify.breaker import Breaker, BreakerPolicy
from services.notify.delivery import Attempt, DeliveryState, Outcome
from services.notify.repository.rows import Result
from services.notify.repository.suspensions import Ended, SuspensionRepository
from services.notify.worker.suspending import Suspensions
from tests.unit.notify.records import DECIDED_AT

ENDPOINT, AGENCY = "ep_one", "ag-one"
FAILED = Attempt(Outcome.UNAVAILABLE, status_code=503)
TAKEN = Attempt(Outcome.DELIVERED, status_code=204)
BEFORE = DECIDED_AT - timedelta(seconds=1)


@dataclass
class Kept:
    """What PostgreSQL is asked for; it answers a release once it is let."""

    released: list[str] = field(default_factory=list)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, *_: object, **__: object) -> None:
        return

    async def end(self, *_: object, **__: object) -> Ended:
        return Ended(0, None)

    async def release(self, endpoint_id: str) -> int:
        self.released.append(endpoint_id)
        self.is_asked.set()
        await self.may_answer.wait()
        return 1


class At:
    def now(self) -> datetime:
        return DECIDED_AT

    def monotonic(self) -> float:
        return 0.0


def put_off() -> Result:
    """The result of an attempt that began before its endpoint resumed."""
    return Result(
        alert_id=uuid4(),
        revision=1,
        delivery_id=uuid4(),
        lane=ENDPOINT,
        number=1,
        started_at=BEFORE,
        duration_ms=1,
        outcome=Outcome.UNAVAILABLE,
        status_code=503,
        enhanced_code=None,
        detail=None,
        state=DeliveryState.PENDING,
        due_at=DECIDED_AT + timedelta(hours=1),
        has_missed=False,
        receipt=None,
    )


async def test_what_is_put_off_while_its_endpoint_is_being_released_is_released_too() -> None:
    kept = Kept()
    suspensions = Suspensions(
        breaker=Breaker(BreakerPolicy(least=1)),
        repository=cast("SuspensionRepository", kept),
        publish=lambda _: None,
        member="notify-0",
        clock=At(),
    )
    for attempt in (FAILED, TAKEN):
        suspensions.record(ENDPOINT, AGENCY, attempt, now=DECIDED_AT)
    suspensions.see_results([put_off()])
    writing = asyncio.create_task(suspensions.finish())
    await kept.is_asked.wait()
    # This one is written after the release has looked, and before it is known to have ended.
    suspensions.see_results([put_off()])
    kept.may_answer.set()
    await writing
    assert kept.released == [ENDPOINT, ENDPOINT]
